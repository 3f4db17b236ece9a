# SPDX-License-Identifier: Apache-2.0
"""The lab's end of an agent: calls that wait for their answer, bounded, with errors that say who
wanted what."""

from __future__ import annotations

import errno
import itertools
import json
import sys
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from pathlib import Path

from lab.capture import Frame, parse
from lab.shell import Child, LabError

TESTS_DIR = Path(__file__).resolve().parents[1]


class TrafficError(LabError):
    """The traffic did not do what was asked; `number` is the errno, 0 if it was none; `silent`: it
    was waited for in vain, nobody said no."""

    def __init__(self, message: str, number: int = 0, silent: bool = False) -> None:
        super().__init__(message)
        self.number = number
        self.silent = silent

    @property
    def refused(self) -> bool:
        return self.number == errno.ECONNREFUSED


class Agent:
    def __init__(self, name: str, netns: Path, log: Path, *, linger: bool = False) -> None:
        self.name = name
        command = [sys.executable, "-m", "lab.agent", "--name", name]
        self.child = Child(
            f"agent {name}",
            command + (["--linger"] if linger else []),
            log=log,
            netns=netns,
            env={"PYTHONPATH": str(TESTS_DIR), "PYTHONDONTWRITEBYTECODE": "1"},
            linger=linger,
            pipes=True,
        )
        self._ids = itertools.count(1)
        self._waiting: dict[int, Future] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.child.process.stdout is not None
        try:
            for line in self.child.process.stdout:
                reply = json.loads(line)
                with self._lock:
                    future = self._waiting.pop(reply["id"], None)
                if future is not None:
                    future.set_result(reply)
        except ValueError:
            pass  # closed under us while the lab goes down
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_result({"error": f"the agent died; its log: {self.child.log}"})

    def start(self, op: str, **args: object) -> Future:
        future: Future = Future()
        with self._lock:
            number = next(self._ids)
            self._waiting[number] = future
        line = json.dumps({"id": number, "op": op, "args": args})
        assert self.child.process.stdin is not None
        try:
            self.child.process.stdin.write(line + "\n")
            self.child.process.stdin.flush()
        except (OSError, ValueError) as error:
            raise TrafficError(f"{self.name}: its agent {self.child.how_it_ended()}") from error
        return future

    def finish(self, future: Future, what: str, timeout: float) -> dict:
        try:
            reply = future.result(timeout)
        except FutureTimeout as error:
            raise TrafficError(f"{self.name}: {what}: no answer in {timeout:g} s") from error
        if "error" in reply:
            raise TrafficError(
                f"{self.name}: {what}: {reply['error']}",
                reply.get("errno", 0),
                reply.get("timeout", False),
            )
        return reply["ok"]

    def call(self, op: str, within: float = 30.0, **args: object) -> dict:
        what = f"{op} {' '.join(str(value) for value in args.values())[:80]}"
        return self.finish(self.start(op, **args), what, within)

    # --- what steps say ---------------------------------------------------------------------

    def serve(self, proto: str, port: int) -> None:
        self.call("serve", proto=proto, port=port)

    def tcp(self, address: str, port: int, timeout: float = 5.0, source: str = "") -> "Connection":
        opened = self.call(
            "connect", timeout + 5, address=address, port=port, timeout=timeout, source=source
        )
        return Connection(self, opened["connection"], opened["local"], f"{address}:{port}")

    def ask_tcp(self, address: str, port: int, timeout: float = 5.0, source: str = "") -> "Answer":
        with self.tcp(address, port, timeout, source) as connection:
            return connection.ask()[0]

    def ask_udp(
        self, address: str, port: int, count: int = 1, timeout: float = 1.0, padding: int = 0
    ) -> "list[Answer]":
        got = self.call(
            "udp",
            3 * count * timeout + 5,
            address=address,
            port=port,
            count=count,
            timeout=timeout,
            padding=padding,
        )
        return [Answer.of(answer, got["local"]) for answer in got["answers"]]

    def ping(self, address: str, count: int = 2, timeout: float = 2.0) -> int:
        got = self.call("ping", count * timeout + 5, address=address, count=count, timeout=timeout)
        return int(got["answered"])

    def capture(self, interface: str) -> "RunningCapture":
        return RunningCapture(self, self.call("capture_start", interface=interface)["capture"])

    def send_frames(self, interface: str, frames: list[bytes]) -> None:
        self.call("send_frames", interface=interface, frames=[frame.hex() for frame in frames])

    def stop(self) -> None:
        self.child.stop(timeout=2.0, gently=False)


@dataclass(frozen=True)
class Answer:
    """Who served, whom the server saw, and whom the client believes to be."""

    name: str
    peer: str
    local: str

    @staticmethod
    def of(answer: dict, local: str) -> "Answer":
        return Answer(answer["name"], answer["peer"], local)

    @property
    def source_kept(self) -> bool:
        return self.peer == self.local

    @property
    def peer_address(self) -> str:
        return self.peer.rsplit(":", 1)[0]


@dataclass
class Connection:
    agent: Agent
    number: int
    local: str
    remote: str

    def ask(self, count: int = 1, timeout: float = 5.0) -> list[Answer]:
        got = self.agent.call(
            "ask", count * timeout + 5, connection=self.number, count=count, timeout=timeout
        )
        return [Answer.of(answer, self.local) for answer in got["answers"]]

    def bulk(self, direction: str, total: int, seed: int = 1, timeout: float = 30.0) -> dict:
        """Raises unless every byte arrived as it was sent."""
        got = self.agent.call(
            "bulk", timeout + 5, connection=self.number, direction=direction, seed=seed,
            total=total, timeout=timeout,
        )  # fmt: skip
        if not got["ok"]:
            wrong = "the stream ended early" if got.get("wrong_at") is None else (
                f"byte {got['wrong_at']} differs"
            )
            raise TrafficError(
                f"{self.agent.name} -> {self.remote}: {wrong} ({got['bytes']} of {total} bytes)"
            )
        return got

    def flood(self, seconds: float) -> dict:
        return self.agent.call("flood", seconds + 40, connection=self.number, seconds=seconds)

    def close(self) -> None:
        self.agent.call("close", connection=self.number)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.close()
        except LabError:
            pass  # the first error is the one to tell


@dataclass
class RunningCapture:
    agent: Agent
    number: int
    missed: int = field(default=0)

    def stop(self) -> list[Frame]:
        got = self.agent.call("capture_stop", 60, capture=self.number)
        self.missed = got["missed"]
        frames = (parse(bytes.fromhex(data)) for data, _ in got["frames"])
        return [frame for frame in frames if frame is not None]


