# SPDX-License-Identifier: Apache-2.0
"""Slow things made once: folders named by all that decides their content.

A folder appears by a rename, complete or not at all; one at a time is made, whoever asks.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterable, Iterator

from lab.shell import LabError, tail

OTHERS_MINUTES = 20
UNUSED_DAYS = 30

Say = Callable[[str], None]


def cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).resolve() / "sluice/vm"


def digest(files: Iterable[Path], *words: str) -> str:
    """Of the files' names and contents, and of the words."""
    found = hashlib.sha256(repr(words).encode())
    for path in files:
        content = path.read_bytes()
        found.update(f"{path.name} {len(content)} ".encode() + content)
    return found.hexdigest()[:16]


def provide(name: str, make: Callable[[Path, Path], None], say: Say) -> Path:
    """The folder of that name. `make(fresh, log)` fills it when there is none; the first word of
    the name is its kind, and folders of that kind that are long out of use are removed then."""
    folder = cache_dir() / name
    if not folder.is_dir():
        with _lock(say):
            if not folder.is_dir():
                _make(folder, make, say)
    os.utime(folder)
    return folder


def _make(folder: Path, make: Callable[[Path, Path], None], say: Say) -> None:
    kind = folder.name.split("-")[0]
    fresh, log = cache_dir() / f".{kind}.new", cache_dir() / f"{kind}.log"
    shutil.rmtree(fresh, ignore_errors=True)  # somebody was killed while making it
    fresh.mkdir()
    log.write_bytes(b"")
    started = time.monotonic()
    try:
        make(fresh, log)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    say(f"{folder.name} made in {time.monotonic() - started:.0f} s")
    oldest = time.time() - UNUSED_DAYS * 86400
    for other in cache_dir().glob(f"{kind}-*"):
        if other != folder and other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)


@contextmanager
def _lock(say: Say) -> Iterator[None]:
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "lock").open("a") as file:
        deadline = time.monotonic() + OTHERS_MINUTES * 60
        waited = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise LabError(
                        f"somebody has been making the virtual machine for {OTHERS_MINUTES} "
                        f"minutes: `fuser {file.name}` says who"
                    ) from error
            if not waited:
                say("somebody else makes the virtual machine; waiting for that")
                waited = True
            time.sleep(0.5)
        yield


def run_logged(
    command: list[str], log: Path, minutes: float, *, cwd: Path | None = None
) -> None:
    """A step of a build: what it says goes to the log, its end is shown when it fails. It runs in
    a session of its own, so that whatever ends the wait ends its children too."""
    with log.open("ab") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        child = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, "LC_ALL": "C"}, start_new_session=True,
        )  # fmt: skip
    try:
        code = child.wait(minutes * 60)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{command[0]}` took more than {minutes:g} minutes, log: {log}") from error
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if code != 0:
        raise LabError(f"`{' '.join(command)}` ended with {code}, log: {log}\n{tail(log, 25)}")
