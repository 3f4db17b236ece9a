# SPDX-License-Identifier: Apache-2.0
"""CNI calls, prepared as folders and timed by cni-calls. On the host and in the guest."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Sequence

MAKE_SECONDS = 120


class CallFailed(Exception):
    """A call that ended otherwise than with 0: what it was and what it said."""


@dataclass(frozen=True)
class Call:
    program: str
    environment: Mapping[str, str]
    input: str = ""


def attachment_calls(
    program: str, config: str, *, container: str, netns: str, interface: str, cni_path: str
) -> dict[str, Call]:
    """ADD and DEL of one attachment, as a runtime makes them."""

    def call(verb: str) -> Call:
        return Call(
            program,
            {
                "CNI_COMMAND": verb,
                "CNI_CONTAINERID": container,
                "CNI_NETNS": netns,
                "CNI_IFNAME": interface,
                "CNI_PATH": cni_path,
            },
            config,
        )

    return {verb: call(verb) for verb in ("ADD", "DEL")}


@dataclass(frozen=True)
class Prepared:
    folder: Path

    def output(self) -> str:
        return (self.folder / "output").read_text()

    def what_failed(self) -> str:
        command = (self.folder / "environment").read_text().split("\n")[0]
        said = self.output().strip() or (self.folder / "errors").read_text().strip() or "nothing"
        return f"{(self.folder / 'program').read_text()} {command} said: {said}"


@dataclass
class Caller:
    """cni_calls: the built program. folder: empty. prefix: of its command, for a namespace."""

    cni_calls: str
    folder: Path
    prefix: Sequence[str] = ()
    count: int = field(default=0, init=False)

    def prepare(self, call: Call) -> Prepared:
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir(parents=True)
        lines = [f"{name}={value}" for name, value in call.environment.items()]
        (folder / "program").write_text(call.program)
        (folder / "environment").write_text("\n".join(lines))
        (folder / "input").write_text(call.input)
        return Prepared(folder)

    def make(self, groups: Sequence[Sequence[Prepared]]) -> list[list[float]]:
        """Group by group, those of a group at once; how long each took, in milliseconds."""
        command = [*self.prefix, self.cni_calls]
        for number, group in enumerate(groups):
            command += ["--"] * (number > 0) + [str(call.folder) for call in group]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=MAKE_SECONDS)
        lines = iter(done.stdout.splitlines())
        return [[_took(call, next(lines, "")) for call in group] for group in groups]


def _took(call: Prepared, line: str) -> float:
    _, status, microseconds = (line or f"{call.folder} not-made 0").rsplit(" ", 2)
    if status != "0":
        raise CallFailed(f"{call.what_failed()} ({status})")
    return int(microseconds) / 1000


@dataclass(frozen=True)
class Attachment:
    add: Prepared
    delete: Prepared


def there_and_back(
    caller: Caller, bursts: Sequence[Sequence[Attachment]]
) -> list[list[tuple[float, float]]]:
    """Burst by burst: ADD for all, then DEL for all. (ADD, DEL) of each, in milliseconds."""
    groups = []
    for burst in bursts:
        groups += [[each.add for each in burst], [each.delete for each in burst]]
    times = caller.make(groups)
    return [list(zip(adds, deletes)) for adds, deletes in zip(times[::2], times[1::2])]
