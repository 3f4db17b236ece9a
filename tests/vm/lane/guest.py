# SPDX-License-Identifier: Apache-2.0
"""What tests do in the guest again and again: VFs, namespaces, pings (guest/lib.sh does it)."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from lane import TESTS
from lane.machine import VirtualMachine

LIBRARY = TESTS / "vm/guest/lib.sh"
PFS = {"pf0": "0000:01:00.0", "pf1": "0000:02:00.0"}
VFS_PER_PF = 7


@dataclass(frozen=True)
class Vf:
    pf: str
    index: int
    address: str  # PCI
    link: str  # its network device's name in the guest's own namespace

    @property
    def sysfs(self) -> str:
        return f"/sys/bus/pci/devices/{self.address}"


class Guest:
    def __init__(self, vm: VirtualMachine) -> None:
        self.vm = vm
        # By the share: of the host's root a running guest may have an older copy.
        self._library = vm.put("lib.sh", LIBRARY.read_bytes())

    def call(self, function: str, *words: str) -> str:
        """A function of lib.sh; what it prints."""
        return self.vm.check(f". {self._library}; {function} {shlex.join(words)}")

    def await_true(self, command: str, seconds: int = 60) -> None:
        """Until a simple command (no operators) succeeds."""
        self.vm.check(f". {self._library}; await {seconds} {command}", timeout=seconds + 30)

    def reset(self) -> None:
        self.call("reset_guest")

    def make_vfs(self, pf: str, count: int) -> list[Vf]:
        """New ones in place of those that are there."""
        lines = self.call("make_vfs", pf, str(count)).splitlines()
        return [Vf(pf, index, *line.split()) for index, line in enumerate(lines)]

    def vf_info(self, vf: Vf) -> dict:
        """What the PF says of it: mac, vlan, spoofchk, trust, ..."""
        shown = json.loads(self.vm.check(f"ip -j link show dev {vf.pf}"))
        return shown[0]["vfinfo_list"][vf.index]

    def link(self, name: str, namespace: str = "") -> dict:
        where = f"-n {namespace}" if namespace else ""
        return json.loads(self.vm.check(f"ip -j -d {where} addr show dev {name}"))[0]

    def links(self, namespace: str = "") -> list[str]:
        where = f"-n {namespace}" if namespace else ""
        shown = json.loads(self.vm.check(f"ip -j {where} link"))
        return [each["ifname"] for each in shown]

    def add_namespace(self, name: str) -> None:
        self.vm.check(f"ip netns add {name} && ip -n {name} link set lo up")

    def give(self, link: str, namespace: str, name: str, address: str) -> None:
        """Into a namespace under a name, with an address (10.0.0.1/24), up, its carrier awaited."""
        self.vm.check(
            f"ip link set {link} netns {namespace} name {name} && "
            f"ip -n {namespace} addr add {address} dev {name} && "
            f"ip -n {namespace} link set {name} up"
        )
        self.call("await_carrier", namespace, name)

    def await_answer(self, namespace: str, address: str) -> None:
        self.call("await_answer", namespace, address)

    def answers(self, namespace: str, address: str) -> bool:
        """To one of three pings."""
        command = f"nsenter --net=/run/netns/{namespace} ping -n -q -c 3 -i 0.2 -W 2 {address}"
        return self.vm.run(command).status == 0

    def bind_driver(self, vf: Vf, driver: str = "") -> None:
        """"" is the one that the kernel would choose."""
        self.call("bind_driver", vf.address, driver)

    def driver(self, vf: Vf) -> str:
        return self.vm.check(f"basename $(readlink {vf.sysfs}/driver)").strip()
