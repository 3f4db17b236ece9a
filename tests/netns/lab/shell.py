# SPDX-License-Identifier: Apache-2.0
"""Commands and children: bounded, logged, each ended by its own process id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Sequence

VERBOSE = os.environ.get("SLUICE_LAB_VERBOSE", "") not in ("", "0")


class LabError(Exception):
    """Something that a person has to read: says what was tried, what came back, what to do."""


def note(text: str) -> None:
    if VERBOSE:
        print(f"    | {text}", file=sys.stderr, flush=True)


def in_netns(netns: Path | None, command: Sequence[str]) -> list[str]:
    # nsenter and not `ip netns exec`: that one also makes a private mount namespace, in which the
    # representor namespace that the engine names would be invisible to everybody else.
    return [*([] if netns is None else ["nsenter", f"--net={netns}"]), *map(str, command)]


def run(
    command: Sequence[str],
    *,
    netns: Path | None = None,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 15.0,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    full = in_netns(netns, command)
    note(" ".join(full))
    try:
        done = subprocess.run(
            full,
            input=stdin if stdin is not None else "",
            env=None if env is None else {**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise LabError(f"{full[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(full)}` gave no answer within {timeout:g} s") from error
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").replace("\n", " / ")
        raise LabError(f"`{' '.join(full)}` ended with {done.returncode} and said: {said}")
    return done


def wait_until(
    what: str,
    condition: Callable[[], object],
    timeout: float,
    interval: float = 0.05,
    why_not: Callable[[], str] | None = None,
) -> object:
    """Returns the first true answer; a LabError that says what was waited for otherwise."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            reason = f": {why_not()}" if why_not else ""
            raise LabError(f"waited {timeout:g} s in vain for {what}{reason}")
        time.sleep(interval)


def tail(path: Path, lines: int = 12) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16384))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"      (no log: {error})"
    kept = text.splitlines()[-lines:]
    return "\n".join(f"      {line}" for line in kept) if kept else "      (the log is empty)"


def start_time(pid: int) -> str | None:
    """Field 22 of /proc/<pid>/stat: with the pid it names one process for as long as the machine
    runs. None when there is no such process or only its zombie is left."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else fields[19]


class Child:
    """One long-running program of the lab."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        netns: Path | None = None,
        env: dict[str, str] | None = None,
        linger: bool = False,
        death_signal: str = "KILL",
        pipes: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        # Dies with the lab, even if that is killed; unless it is to outlive it (KEEP=1).
        leash = [] if linger else ["setpriv", "--pdeathsig", death_signal, "--"]
        full = in_netns(netns, [*leash, *command])
        note(" ".join(full))
        log.parent.mkdir(parents=True, exist_ok=True)
        pipe = subprocess.PIPE if pipes else subprocess.DEVNULL
        with log.open("ab") as output:
            try:
                self.process = subprocess.Popen(
                    full,
                    stdin=pipe,
                    stdout=subprocess.PIPE if pipes else output,
                    stderr=output,
                    env=None if env is None else {**os.environ, **env},
                    start_new_session=True,  # Ctrl-C is the lab's to handle
                    text=True,
                    bufsize=1,
                )
            except FileNotFoundError as error:
                raise LabError(f"{full[0]} is not installed") from error
        self.pid = self.process.pid
        self.start = start_time(self.pid) or ""

    def alive(self) -> bool:
        return self.process.poll() is None

    def how_it_ended(self) -> str:
        code = self.process.poll()
        if code is None:
            return "is still running"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with {code}"

    def require_alive(self) -> None:
        if not self.alive():
            raise LabError(
                f"{self.name} {self.how_it_ended()}; the end of {self.log}:\n{tail(self.log)}"
            )

    def signal(self, number: int) -> None:
        if self.alive():
            os.kill(self.pid, number)

    def stop(self, timeout: float = 5.0, gently: bool = True) -> bool:
        """True when it ended by itself in time."""
        if self.alive():
            os.kill(self.pid, signal.SIGCONT)
            os.kill(self.pid, signal.SIGTERM if gently else signal.SIGKILL)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                os.kill(self.pid, signal.SIGKILL)
                self.process.wait(5)
                self._close()
                return False
        self._close()
        return True

    def _close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass
