# SPDX-License-Identifier: Apache-2.0
"""Real VFs in the virtual machine: ours beside sriov-cni, one VF alone and seven at once."""

from __future__ import annotations

import json
from dataclasses import asdict

from lab.shell import LabError
from lane.command import machine, require_machine
from lane.guest import PFS, VFS_PER_PF, Guest

from figures import report_percent, wanted
from programs import HERE, Programs, say

RUNS = 5
PAIRS = 6  # a run
GUEST_SECONDS = 300
OURS, OURS_HOST_LOCAL, PEER = "ours", "ours-host-local", "peer"
NAMES = (
    "cni.add_del.p50", "cni.add_del.p90", "cni.add.p50", "cni.del.p50",
    "cni.add_del.host-local.p50", "cni.add_del.burst7.p50", "cni.add_del.burst7.p90",
)  # fmt: skip


def measure(programs: Programs) -> None:
    if not wanted(NAMES):
        return
    require_machine()
    paths = {"sluice-cni": programs.built("sluice-cni"), "cni-calls": programs.built("cni-calls")}
    subjects = {OURS: {"program": "sluice-cni", "ipam": "sluice"}}
    if programs.plugins:
        paths["host-local"] = programs.plugins / "host-local"
        subjects[OURS_HOST_LOCAL] = {"program": "sluice-cni", "ipam": "host-local"}
        if programs.peer:
            paths["sriov"] = programs.peer
            subjects[PEER] = {"program": "sriov", "ipam": "host-local"}
    with machine(say) as vm:
        guest = Guest(vm)
        guest.reset()
        vfs = [guest.make_vfs(pf, VFS_PER_PF) for pf in PFS]
        plan = {
            "programs": {name: str(path) for name, path in paths.items()},
            "subjects": subjects,
            "bursts": [OURS, PEER],
            "vfs": [[asdict(vf) for vf in of_pf] for of_pf in vfs],
            "runs": RUNS,
            "pairs": PAIRS,
        }
        path = vm.put("plan.json", json.dumps(plan))
        answer = vm.check(f"/usr/bin/python3 {HERE}/guest.py {path}", timeout=GUEST_SECONDS)
        if complaints := vm.complaints():
            raise LabError(f"the guest's kernel complained:\n{complaints}")
    show(json.loads(answer))


def show(result: dict) -> None:
    alone, burst = result["alone"], result["burst"]
    ours, peer = alone[OURS], alone.get(PEER)
    for percent in (50, 90):
        report_percent("cni.add_del", percent, both(ours), both(peer))
    report_percent("cni.add", 50, part(ours, 0), part(peer, 0))
    report_percent("cni.del", 50, part(ours, 1), part(peer, 1))
    if OURS_HOST_LOCAL in alone:
        report_percent("cni.add_del.host-local", 50, both(alone[OURS_HOST_LOCAL]), both(peer))
    for percent in (50, 90):
        report_percent("cni.add_del.burst7", percent, both(burst[OURS]), both(burst.get(PEER)))
    for subject, verbs in result["counts"].items():
        for verb, counted in verbs.items():
            words = ", ".join(f"{number} {what}" for what, number in counted.items())
            print(f"COUNT {verb} {subject}: {words}")


def both(runs: list | None) -> list[list[float]] | None:
    return runs and [[add + delete for add, delete in run] for run in runs]


def part(runs: list | None, which: int) -> list[list[float]] | None:
    return runs and [[pair[which] for pair in run] for run in runs]
