# SPDX-License-Identifier: Apache-2.0
"""The host's end of the agent's port (agent/agent.cc has the frames)."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import termios
import threading
import time
import tty
from dataclasses import dataclass, field
from pathlib import Path

from lab.shell import LabError

HEADER = struct.Struct("<cII")
TIMED_OUT = 124  # as timeout(1) says it


@dataclass
class Output:
    """What a command in the guest wrote, and its exit status: 128 + N when signal N ended it."""

    status: int
    stdout: str
    stderr: str


@dataclass
class _State:
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    status: int | None = None


class Job:
    """A command that runs in the guest."""

    def __init__(self, agent: Agent, number: int, command: str, state: _State) -> None:
        self.command = command
        self._agent, self._number, self._state = agent, number, state

    def running(self) -> bool:
        return self._state.status is None

    def written(self) -> str:
        """To stdout until now."""
        with self._agent.changed:
            return self._state.stdout.decode(errors="replace")

    def wait(self, timeout: float) -> Output:
        """Its output; when the time is up it is killed, with status 124."""
        with self._agent.changed:
            if not self._agent.wait_for(lambda: self._state.status is not None, timeout):
                self._agent.kill(self._number, signal.SIGKILL)
                self._agent.wait_for(lambda: self._state.status is not None, 5.0)
                self._state.status = TIMED_OUT
            return self._output()

    def wait_written(self, text: str, timeout: float) -> None:
        """Until it has written that to stdout."""
        with self._agent.changed:
            self._agent.wait_for(
                lambda: text.encode() in self._state.stdout or self._state.status is not None,
                timeout,
            )
            if text.encode() not in self._state.stdout:
                raise LabError(f"`{self.command}` didn't say {text!r}: {self._output()}")

    def signal(self, number: int) -> None:
        """To it and the processes that it has started (unless they left its session's group)."""
        with self._agent.changed:
            self._agent.kill(self._number, number)

    def stop(self, timeout: float = 10.0) -> Output:
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def _output(self) -> Output:
        state = self._state
        status = -1 if state.status is None else state.status
        return Output(
            status,
            state.stdout.decode(errors="replace"),
            state.stderr.decode(errors="replace"),
        )


class Agent:
    """A connection: one at a time. A new one ends what an earlier one has left running.

    Threading: any thread may start and await jobs; one thread of its own reads."""

    def __init__(self, path: Path, timeout: float) -> None:
        """Returns when the guest answers."""
        self.changed = threading.Condition(threading.RLock())
        self._jobs: dict[int, _State] = {}
        self._next = 1
        self._nonce = int.from_bytes(os.urandom(4), "little")
        self._answered = False
        self._broken: str | None = None
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._send(b"R", self._nonce, b"")
        with self.changed:
            if not self.wait_for(lambda: self._answered, timeout):
                raise LabError(f"the guest's agent gave no answer within {timeout:g} s")

    def close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._reader.join()
        self._socket.close()

    def start(self, command: str, stdin: str = "") -> Job:
        with self.changed:
            number, self._next = self._next, self._next + 1
            state = self._jobs[number] = _State()
            text = command.encode()
            self._send(b"C", number, struct.pack("<I", len(text)) + text + stdin.encode())
            return Job(self, number, command, state)

    def kill(self, number: int, signal_number: int) -> None:
        self._send(b"K", number, bytes([signal_number]))

    def wait_for(self, condition, timeout: float) -> bool:
        """`changed` is held."""
        deadline = time.monotonic() + timeout
        while not condition():
            if self._broken:
                raise LabError(self._broken)
            if not self.changed.wait(max(0.0, deadline - time.monotonic())):
                return bool(condition())
        return True

    def _send(self, kind: bytes, number: int, payload: bytes) -> None:
        try:
            self._socket.sendall(HEADER.pack(kind, number, len(payload)) + payload)
        except OSError as error:
            raise LabError(f"the virtual machine is gone: {error.strerror}") from error

    def _read(self) -> None:
        buffer = bytearray()
        while True:
            try:
                received = self._socket.recv(1 << 16)
            except OSError:
                received = b""
            if not received:
                with self.changed:
                    self._broken = "the virtual machine is gone: it closed the agent's port"
                    self.changed.notify_all()
                return
            buffer += received
            self._take_frames(buffer)

    def _take_frames(self, buffer: bytearray) -> None:
        with self.changed:
            if not self._answered and not self._find_answer(buffer):
                return
            while len(buffer) >= HEADER.size:
                kind, number, length = HEADER.unpack_from(buffer)
                if len(buffer) < HEADER.size + length:
                    break
                self._take(kind, number, bytes(buffer[HEADER.size : HEADER.size + length]))
                del buffer[: HEADER.size + length]
            self.changed.notify_all()

    def _find_answer(self, buffer: bytearray) -> bool:
        """Drops what an earlier client didn't wait for, which may end within a frame."""
        answer = HEADER.pack(b"R", self._nonce, 0)
        place = buffer.find(answer)
        self._answered = place >= 0
        del buffer[: place + len(answer) if self._answered else max(0, len(buffer) - len(answer))]
        return self._answered

    def _take(self, kind: bytes, number: int, payload: bytes) -> None:
        state = self._jobs.get(number)
        if state is None:
            return
        if kind == b"O":
            state.stdout += payload
        elif kind == b"E":
            state.stderr += payload
        elif kind == b"X":
            state.status = struct.unpack("<i", payload)[0]
            del self._jobs[number]


def attach_terminal(path: Path) -> None:
    """This terminal becomes the guest's; Ctrl-] leaves it."""
    if not os.isatty(0):
        raise LabError("without a command this needs a terminal")
    with socket.socket(socket.AF_UNIX) as console:
        console.connect(str(path))
        before = termios.tcgetattr(0)
        tty.setraw(0)
        try:
            console.sendall(b"\r")
            while True:
                ready, _, _ = select.select([0, console], [], [])
                if console in ready:
                    received = console.recv(1 << 16)
                    if not received:
                        return
                    os.write(1, received)
                if 0 in ready:
                    typed = os.read(0, 4096)
                    if not typed or b"\x1d" in typed:
                        return
                    console.sendall(typed)
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
