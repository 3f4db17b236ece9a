# SPDX-License-Identifier: Apache-2.0
"""Who owns which lab, and the removal of what a dead owner left.

A lab lives for as long as its owner holds the flock on <base>/<id>.lock, which the kernel drops
however the owner dies. Next to it, <id>.json says what there is to remove. A lab that was left up
on purpose (KEEP=1) has no owner; only `--down` from its own checkout takes it away.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Iterator

from lab.names import NETNS_DIR, Names, base_dir, checkout_hash, instance_id
from lab.shell import Child, LabError, note, run, start_time


@dataclass
class Record:
    instance: str
    checkout: str
    kept: bool = False
    processes: list[tuple[int, str, str]] = field(default_factory=list)  # pid, start time, name


@contextmanager
def _registry() -> Iterator[Path]:
    """Serialises the making and the reaping of labs: nobody sees a half-made lock."""
    base = base_dir()
    base.mkdir(parents=True, exist_ok=True, mode=0o755)
    with (base / "registry").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield base


class Ownership:
    """This process's lab: its lock, its record. Made by `claim`, given back by `release`."""

    def __init__(self, names: Names, lock: int) -> None:
        self.names = names
        self._lock = lock
        self.record = Record(names.instance, checkout_hash())
        self.save()

    def save(self) -> None:
        target = base_dir() / f"{self.names.instance}.json"
        fresh = target.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self.record)))
        fresh.rename(target)

    def adopt(self, child: Child) -> Child:
        self.record.processes.append((child.pid, child.start, child.name))
        self.save()
        return child

    def keep(self) -> None:
        self.record.kept = True
        self.save()

    def release(self) -> None:
        """Removes all that carries the id. What is left after that is an error, not a shrug."""
        with _registry():
            _remove(self.names, self.record)
        os.close(self._lock)


def claim() -> Ownership:
    """Reaps dead labs, then takes a lock of its own."""
    with _registry() as base:
        for message in _reap_locked(base):
            note(message)
        names = Names(instance_id())
        path = base / f"{names.instance}.lock"
        if path.exists():  # only a kept lab whose process id came round again
            raise LabError(f"a lab {names.instance} was left up; take it down first (--down)")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return Ownership(names, lock)


def kept() -> list[str]:
    """This checkout's labs that were left up."""
    with _registry() as base:
        labs = [_load(base, Names(path.stem)) for path in sorted(base.glob("*.lock"))]
    return [lab.instance for lab in labs if lab.kept and lab.checkout == checkout_hash()]


def take_down_kept() -> list[str]:
    """`--down`: this checkout's kept labs, and everybody's dead ones."""
    with _registry() as base:
        return _reap_locked(base, kept_of=checkout_hash())


def _reap_locked(base: Path, kept_of: str | None = None) -> list[str]:
    done: list[str] = []
    for path in sorted(base.glob("*.lock")):
        names = Names(path.stem)
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its owner lives
        else:
            record = _load(base, names)
            if record.kept and record.checkout != kept_of:
                continue
            _remove(names, record)
            done.append(f"removed lab {names.instance}" + (" (kept)" if record.kept else ""))
        finally:
            os.close(lock)
    return done


def _load(base: Path, names: Names) -> Record:
    try:
        return Record(**json.loads((base / f"{names.instance}.json").read_text()))
    except (OSError, ValueError, TypeError):
        return Record(names.instance, "")  # killed before its first write; names are enough


def _remove(names: Names, record: Record) -> None:
    _end_processes(names, record)
    for path in names.namespaces_here():
        done = run(["ip", "netns", "del", path.name], check=False)
        if done.returncode != 0 and path.exists():
            # Not (or no longer) a namespace: a plain file that a killed maker left.
            path.unlink(missing_ok=True)
    shutil.rmtree(names.run_dir, ignore_errors=True)
    left = [path.name for path in names.namespaces_here()]
    if left or names.run_dir.exists():
        raise LabError(f"lab {names.instance} could not be removed: {left or names.run_dir}")
    base = base_dir()
    (base / f"{names.instance}.json").unlink(missing_ok=True)
    (base / f"{names.instance}.new").unlink(missing_ok=True)
    (base / f"{names.instance}.lock").unlink(missing_ok=True)


def _end_processes(names: Names, record: Record) -> None:
    """The recorded ones, and whoever lives in the lab's namespaces (started, but killed before it
    was written down)."""
    victims = {pid: start for pid, start, _ in record.processes if start_time(pid) == start}
    for pid in processes_inside(names):
        victims.setdefault(pid, start_time(pid) or "")
    for pid, start in victims.items():
        if start_time(pid) == start:
            note(f"kill -9 {pid}")
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    deadline = time.monotonic() + 5
    while any(start and start_time(pid) == start for pid, start in victims.items()):
        if time.monotonic() > deadline:
            raise LabError(f"processes {sorted(victims)} of lab {names.instance} would not die")
        time.sleep(0.02)


def processes_inside(names: Names) -> list[int]:
    inodes = set()
    for path in names.namespaces_here():
        status = path.stat()
        inodes.add((status.st_dev, status.st_ino))
    if not inodes:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            status = (entry / "ns/net").stat()
        except OSError:
            continue
        if (status.st_dev, status.st_ino) in inodes:
            found.append(int(entry.name))
    return found


def leftovers(names: Names) -> list[str]:
    """What a removed lab must not have left, in words; empty is good."""
    left = [f"namespace {path}" for path in names.namespaces_here()]
    base = base_dir()
    own = [base / f"{names.instance}{suffix}" for suffix in ("", ".json", ".new", ".lock")]
    left += [f"file {path}" for path in own if path.exists()]
    marker = re.compile(re.escape(os.fsencode(names.run_dir)) + rb"(?![0-9a-f])")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.search(command):
                left.append(f"process {entry.name}: {command.replace(bytes(1), b' ').decode()}")
    if (NETNS_DIR / names.netns("wire")).exists():
        left.append("the wire")
    return left
