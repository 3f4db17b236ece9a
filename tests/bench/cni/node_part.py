# SPDX-License-Identifier: Apache-2.0
"""Thirty veth pods at once behind the engine, beside the bridge plugin with host-local.

Each in a namespace that stands for a node, on this machine's own kernel. The state of both is on
the disk that the build is on.
"""

from __future__ import annotations

import ipaddress
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab import state
from lab.manifest import NodeSpec
from lab.names import Names
from lab.node import Node
from lab.programs import Programs as LabPrograms
from lab.programs import require_privileges, require_tools
from lab.shell import LabError
from lab.wire import Wire, add_namespace

from calls import Attachment, Caller, attachment_calls, there_and_back
from figures import report_percent, wanted
from programs import ROOT, Programs, say

RUNS = 6  # even: each is first as often as the other
PODS = 30
NODE = NodeSpec(
    "node", ipaddress.IPv4Address("172.30.0.11"), ipaddress.IPv4Network("10.244.1.0/24")
)
PEER_NODE = "peer"
NAME = "cni.add_del.burst30"
MANIFEST = f"""apiVersion: v1
kind: Node
metadata:
  name: {NODE.name}
spec:
  podCIDR: {NODE.pod_cidr}
status:
  addresses:
    - {{type: InternalIP, address: {NODE.address}}}
    - {{type: Hostname, address: {NODE.name}}}
"""


def measure(programs: Programs) -> None:
    if not wanted((f"{NAME}.p50", f"{NAME}.p90")):
        return
    require_privileges()
    require_tools()
    owner = state.claim()
    try:
        with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="bench-cni-") as work:
            ours, peer = _burst_runs(programs, owner, Path(work))
    finally:
        owner.release()
    for percent in (50, 90):
        report_percent(NAME, percent, ours, peer)


def _burst_runs(
    programs: Programs, owner: state.Ownership, work: Path
) -> tuple[list[list[float]], list[list[float]]]:
    names = owner.names
    manifest = work / "cluster.yaml"
    manifest.write_text(MANIFEST)
    wire = Wire(names)
    node = Node(names, NODE, LabPrograms(programs.folder), owner.adopt)
    wire.plug(NODE.name, ipaddress.IPv4Interface(f"{NODE.address}/24"))
    for number in range(PODS):
        add_namespace(names, _pod(number))
    node.start_engine(manifest)
    try:
        node.await_engine()
        say("an engine is up for the bursts")
        sides = [_ours(programs, node, work)]
        if programs.plugins:
            sides.append(_peer(programs.plugins, programs, names, work))
        runs = _take_turns(sides)
    finally:
        node.stop()
    if left := node.what_the_engine_left():
        raise LabError(f"left behind: {', '.join(left)}")
    return runs[0], runs[1] if len(runs) > 1 else []


def _pod(number: int) -> str:
    return f"pod{number}"


@dataclass(frozen=True)
class Side:
    caller: Caller
    attachments: list[Attachment]

    def burst(self) -> list[float]:
        """ADD + DEL of every pod."""
        (times,) = there_and_back(self.caller, [self.attachments])
        return [add + delete for add, delete in times]


def _take_turns(sides: list[Side]) -> list[list[list[float]]]:
    runs: list[list[list[float]]] = [[] for _ in sides]
    for side in sides:
        side.burst()
    order = list(zip(sides, runs))
    for _ in range(RUNS):
        for side, of_side in order:
            of_side.append(side.burst())
        order.reverse()
    return runs


def _side(
    programs: Programs, names: Names, role: str, folder: Path, plugin: Path, config: dict
) -> Side:
    netns = names.netns_path(role)
    caller = Caller(
        str(programs.built("cni-calls")), folder / "calls", ["nsenter", f"--net={netns}"]
    )
    attachments = []
    for number in range(PODS):
        calls = attachment_calls(
            str(plugin),
            json.dumps(config),
            container=f"{names.instance}-{number}",
            netns=str(names.netns_path(_pod(number))),
            interface="eth0",
            cni_path=str(plugin.parent),
        )
        attachments.append(Attachment(caller.prepare(calls["ADD"]), caller.prepare(calls["DEL"])))
    return Side(caller, attachments)


def _ours(programs: Programs, node: Node, work: Path) -> Side:
    config = {
        "cniVersion": "1.0.0",
        "name": "pods",
        "type": "sluice-cni",
        "engineSocket": str(node.socket),
        "stateDir": str(work / "ours/state"),
        "statsFile": str(node.run_dir / "cni-stats"),
        "devicePlugin": "never",
    }
    plugin = programs.built("sluice-cni")
    return _side(programs, node.names, NODE.name, work / "ours", plugin, config)


def _peer(plugins: Path, programs: Programs, names: Names, work: Path) -> Side:
    add_namespace(names, PEER_NODE)
    config = {
        "cniVersion": "1.0.0",
        "name": "pods",
        "type": "bridge",
        "bridge": "cni0",
        "isDefaultGateway": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(work / "peer/networks"),
            "ranges": [[{"subnet": str(NODE.pod_cidr)}]],
        },
    }
    return _side(programs, names, PEER_NODE, work / "peer", plugins / "bridge", config)
