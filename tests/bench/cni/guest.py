#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs in the virtual machine, once: ADD and DEL on its VFs. vm_part.py says what and for whom.

usage: guest.py PLAN      prints {"alone": ..., "burst": ..., "counts": ...}

All that runs is copied into the guest's memory first: what the host's file system costs is neither
program's. So the state of both is in memory too, where an fsync costs nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True

from calls import Attachment, Call, Caller, attachment_calls, there_and_back  # noqa: E402
from traced import count  # noqa: E402

WORK = Path("/run/bench")
SHELL_SECONDS = 60
INTERFACE = "net1"
VLAN = 100
GATEWAY = "10.56.0.1"
RANGE = {
    "subnet": "10.56.0.0/24",
    "rangeStart": "10.56.0.10",
    "rangeEnd": "10.56.0.200",
    "gateway": GATEWAY,
}


@dataclass(frozen=True)
class Vf:
    pf: str
    index: int
    address: str
    link: str

    @property
    def mac(self) -> str:
        return f"02:56:00:00:0{self.pf[-1]}:{self.index:02x}"


def namespace(vf: Vf) -> str:
    """The pod's. VFs of one PF are never in use together with those of the other."""
    return f"pod{vf.index}"


class Subject:
    """A program with its configuration."""

    def __init__(self, name: str, program: str, ipam: str, caller: Caller) -> None:
        self.name = name
        self._program = str(WORK / "bin" / program)
        self._ipam = ipam
        self._caller = caller
        self._attachments: dict[Vf, Attachment] = {}

    def calls(self, vf: Vf) -> dict[str, Call]:
        return attachment_calls(
            self._program,
            self._config(vf),
            container=f"{self.name}-{vf.pf}-{vf.index}",
            netns=f"/run/netns/{namespace(vf)}",
            interface=INTERFACE,
            cni_path=str(WORK / "bin"),
        )

    def attachment(self, vf: Vf) -> Attachment:
        if vf not in self._attachments:
            calls = self.calls(vf)
            self._attachments[vf] = Attachment(
                self._caller.prepare(calls["ADD"]), self._caller.prepare(calls["DEL"])
            )
        return self._attachments[vf]

    def _config(self, vf: Vf) -> str:
        return json.dumps({
            "cniVersion": "1.0.0",
            "name": self.name,
            "type": "sriov",
            "deviceID": vf.address,
            "vlan": VLAN,
            "spoofchk": "on",
            "trust": "on",
            "ipam": {
                "type": self._ipam,
                "ranges": [[RANGE]],
                "routes": [{"dst": "10.57.0.0/16", "gw": GATEWAY}],
            },
            "runtimeConfig": {"mac": vf.mac},
        })  # fmt: skip


def shell(command: str) -> str:
    return subprocess.run(
        command, shell=True, check=True, stdout=subprocess.PIPE, text=True, timeout=SHELL_SECONDS
    ).stdout


def add_namespaces(vfs: list[Vf]) -> None:
    names = " ".join(map(namespace, vfs))
    shell(f"for ns in {names}; do ip netns add $ns && ip -n $ns link set lo up || exit; done")


def require(good: bool, what: str) -> None:
    if not good:
        sys.exit(f"guest.py: {what}")


def check_attached(subject: Subject, vf: Vf) -> None:
    """The same work is done by both."""
    link = json.loads(shell(f"ip -n {namespace(vf)} -j addr show dev {INTERFACE}"))[0]
    on_pf = json.loads(shell(f"ip -j link show dev {vf.pf}"))[0]["vfinfo_list"][vf.index]
    addresses = [each["local"] for each in link["addr_info"] if each["family"] == "inet"]
    routes = shell(f"ip -n {namespace(vf)} route show 10.57.0.0/16")
    good = (
        link["address"] == vf.mac
        and "UP" in link["flags"]
        and len(addresses) == 1
        and f"via {GATEWAY}" in routes
        and on_pf["address"] == vf.mac
        and on_pf["vlan_list"][0]["vlan"] == VLAN
        and on_pf["spoofchk"]
        and on_pf["trust"]
    )
    require(good, f"{subject.name} did not configure {vf}: {link} {routes} {on_pf}")


def check_returned(subject: Subject, vf: Vf) -> None:
    links = shell(f"ls /sys/bus/pci/devices/{vf.address}/net").split()
    on_pf = json.loads(shell(f"ip -j link show dev {vf.pf}"))[0]["vfinfo_list"][vf.index]
    vlan = on_pf.get("vlan_list", [{}])[0].get("vlan", 0)
    good = links == [vf.link] and vlan == 0 and not on_pf["trust"]
    require(good, f"{subject.name} did not give {vf} back: {links} {on_pf}")


def warm_up(caller: Caller, subject: Subject, vfs: list[Vf]) -> None:
    first = subject.attachment(vfs[0])
    caller.make([[first.add]])
    check_attached(subject, vfs[0])
    caller.make([[first.delete]])
    check_returned(subject, vfs[0])
    there_and_back(caller, [[subject.attachment(vf) for vf in vfs]])


def take_turns(
    caller: Caller, subjects: list[Subject], bursts: list[list[Vf]], runs: int
) -> dict[str, list]:
    """Every run all bursts, each by all in turns, each time another one first; the times of a run
    in one list."""
    out: dict[str, list] = {subject.name: [[] for _ in range(runs)] for subject in subjects}
    turn = 0
    for run in range(runs):
        order = []
        for vfs in bursts:
            at = turn % len(subjects)
            turn += 1
            order += [(subject, vfs) for subject in subjects[at:] + subjects[:at]]
        made = [[subject.attachment(vf) for vf in vfs] for subject, vfs in order]
        for (subject, _), times in zip(order, there_and_back(caller, made)):
            out[subject.name][run] += times
    return out


def counts(subjects: list[Subject], vf: Vf) -> dict[str, dict]:
    return {
        subject.name: {
            verb: count(call, WORK / f"{subject.name}-{verb}.strace")
            for verb, call in subject.calls(vf).items()
        }
        for subject in subjects
    }


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    (WORK / "bin").mkdir(parents=True)
    for name, path in plan["programs"].items():
        shutil.copy(path, WORK / "bin" / name)
    caller = Caller(str(WORK / "bin/cni-calls"), WORK / "calls")
    subjects = [
        Subject(name, words["program"], words["ipam"], caller)
        for name, words in plan["subjects"].items()
    ]
    by_pf = [[Vf(**vf) for vf in vfs] for vfs in plan["vfs"]]
    add_namespaces(by_pf[0])
    for vfs in by_pf:
        for subject in subjects:
            warm_up(caller, subject, vfs)
    first = by_pf[0][0]
    runs = plan["runs"]
    in_bursts = [subject for subject in subjects if subject.name in plan["bursts"]]
    result = {
        "alone": take_turns(caller, subjects, [[first]] * plan["pairs"], runs),
        "burst": take_turns(caller, in_bursts, by_pf, runs),
        "counts": counts(subjects, first),
    }
    for subject in subjects:
        check_returned(subject, first)
    print(json.dumps(result))


main()
