# SPDX-License-Identifier: Apache-2.0
"""sluice-cni on real VFs, called as a runtime calls it. What every CNI test of this lane is."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lane import ROOT, TESTS
from lane.agent import Job, Output
from lane.case import VmTest
from lane.guest import PFS, Vf

sys.path.insert(0, str(TESTS / "cni"))

from sweep.igb_place import LINK_KEYS, without_own_mac  # noqa: E402

PROGRAMS = Path(os.environ.get("SLUICE_BIN") or ROOT / "build/dev/bin").resolve()
HERE = "/run/cni-test"  # in the guest
BIN = f"{HERE}/bin"
STATE = f"{HERE}/state"
BASELINES = f"{HERE}/baselines"
STATS = f"{HERE}/stats"
CALL_SECONDS = 120.0
# Bookkeeping of the node, not of an attachment.
IS_ATTACHMENTS_FILE = "-type f ! -path '*/locks/*' ! -name '.l*'"


@dataclass(frozen=True)
class Answer:
    status: int
    out: dict[str, Any]
    log: str

    @property
    def code(self) -> int:
        return self.out.get("code", 0)

    @property
    def words(self) -> str:
        return f"{self.out.get('msg', '')} {self.out.get('details', '')}"


def answer_of(output: Output) -> Answer:
    return Answer(output.status, json.loads(output.stdout or "{}"), output.stderr)


def command_of(
    verb: str, pod: str, interface: str = "net1", args: str = "", prefix: str = ""
) -> str:
    """`pod` is its namespace's name and its container's id; `prefix` starts the program."""
    variables = {
        "COMMAND": verb, "CONTAINERID": pod, "NETNS": f"/run/netns/{pod}", "IFNAME": interface,
        "ARGS": args, "PATH": BIN,
    }  # fmt: skip
    words = [f"CNI_{name}={shlex.quote(value)}" for name, value in variables.items()]
    return " ".join([*words, prefix, f"{BIN}/sluice-cni"])


class CniTest(VmTest):
    """VFs of pf0; after each test they are as before it, and nothing is in the state directory."""

    vfs_wanted = 2
    vfs: list[Vf]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # Copied: the root over 9p is slow to start programs from.
        cls.vm.check(f"rm -rf {HERE} && mkdir -p {BIN} && cp {PROGRAMS}/sluice-cni {BIN}")
        cls.vfs = cls.guest.make_vfs("pf0", cls.vfs_wanted)

    def setUp(self) -> None:
        before = self.look()
        self.addCleanup(self.assert_as, before)

    # --- networks, pods and calls ---------------------------------------------------------------

    def network(self, vf: Vf, **keys: Any) -> dict[str, Any]:
        """A configuration in sriov-cni's form, with an address of a pool."""
        return {
            "cniVersion": "1.1.0", "name": "net", "type": "sriov", "deviceID": vf.address,
            "ipam": {"type": "sluice", "subnet": "10.9.0.0/24"},
            "stateDir": STATE, "baselineDir": BASELINES, "statsFile": STATS, **keys,
        }  # fmt: skip

    def make_pod(self, name: str) -> str:
        self.guest.add_namespace(name)
        self.addCleanup(self.vm.run, f"ip netns del {name}")
        return name

    def call(self, verb: str, pod: str, network: dict[str, Any], **more: str) -> Answer:
        self._tidy_up_after(verb, pod, network, **more)
        output = self.vm.run(
            command_of(verb, pod, **more), stdin=json.dumps(network), timeout=CALL_SECONDS
        )
        return answer_of(output)

    def start(self, verb: str, pod: str, network: dict[str, Any]) -> Job:
        self._tidy_up_after(verb, pod, network)
        job = self.vm.start(command_of(verb, pod), stdin=json.dumps(network))
        self.addCleanup(job.stop)
        return job

    def _tidy_up_after(self, verb: str, pod: str, network: dict[str, Any], **more: str) -> None:
        """A test that fails before its DEL doesn't leave its VFs to the next one: at its end there
        is one more, which may find nothing and may fail."""
        if verb == "ADD":
            self.addCleanup(self.call, "DEL", pod, network, **{**more, "prefix": ""})

    def succeed(self, verb: str, pod: str, network: dict[str, Any], **more: str) -> Answer:
        answer = self.call(verb, pod, network, **more)
        self.assertEqual(answer.status, 0, answer)
        return answer

    def refused(self, verb: str, pod: str, network: dict[str, Any], words: str) -> Answer:
        answer = self.call(verb, pod, network)
        self.assertNotEqual(answer.status, 0, answer)
        self.assertRegex(answer.words, words)
        return answer

    def add(self, pod: str, network: dict[str, Any], **more: str) -> dict[str, Any]:
        """In a pod of its own; its DEL comes at the end of the test."""
        self.make_pod(pod)
        result = self.succeed("ADD", pod, network, **more).out
        self.addCleanup(self.succeed, "DEL", pod, network, **more)
        return result

    # --- what is there --------------------------------------------------------------------------

    def look(self) -> dict[str, Any]:
        """The VFs on the host and on their PF, the files of attachments."""
        out: dict[str, Any] = {"files": self.files()}
        links = json.loads(self.vm.check("ip -j -d link"))
        shown = {link.get("parentdev", link["ifname"]): link for link in links}
        for vf in self.vfs:
            link = shown.get(vf.address, {})
            for key in LINK_KEYS:
                out[f"{vf.link} {key}"] = link.get(key)
            attributes = shown[PFS["pf0"]]["vfinfo_list"][vf.index]
            out[f"{vf.link} on its PF"] = without_own_mac(attributes, link)
        return out

    def assert_as(self, before: dict[str, Any]) -> None:
        now = self.look()
        changes = [
            f"{key}: {before.get(key)} is {now.get(key)}"
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key)
        ]
        self.assertEqual(changes, [])

    def files(self) -> list[str]:
        return self.vm.run(f"find {STATE} {IS_ATTACHMENTS_FILE}").stdout.split()

    def in_pod(self, pod: str, command: str) -> str:
        return self.vm.check(f"nsenter --net=/run/netns/{pod} {command}")

    def address(self, result: dict[str, Any]) -> str:
        return result["ips"][0]["address"].partition("/")[0]
