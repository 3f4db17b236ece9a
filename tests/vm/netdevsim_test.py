# SPDX-License-Identifier: Apache-2.0
"""The simulated NIC as our patches make it: switchdev, representors with a peer each, and flower
rules in its hardware table."""

from __future__ import annotations

import json

from lane.case import VmTest

NIC = 10
DEVICE = f"netdevsim/netdevsim{NIC}"
DEBUG = f"/sys/kernel/debug/netdevsim/netdevsim{NIC}"
VFS = 2


class NetdevsimTest(VmTest):
    """A NIC in switchdev mode whose two VFs are the devices `eth0` in the namespaces v0 and v1."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.vm.check(
            f"modprobe netdevsim && echo {NIC} 1 > /sys/bus/netdevsim/new_device && "
            f"echo {VFS} > /sys/bus/netdevsim/devices/netdevsim{NIC}/sriov_numvfs && "
            f"devlink dev eswitch set {DEVICE} mode switchdev"
        )
        ports = json.loads(cls.vm.check("devlink -j port show"))["port"]
        ports = {port["netdev"]: port for name, port in ports.items() if name.startswith(DEVICE)}
        cls.uplink = next(name for name, port in ports.items() if port["flavour"] == "physical")
        vfs = {port["vfnum"]: name for name, port in ports.items() if port["flavour"] == "pcivf"}
        cls.representors = [vfs[index] for index in range(VFS)]
        for link in (cls.uplink, *cls.representors):
            cls.vm.check(
                f"ip link set {link} up && ethtool -K {link} hw-tc-offload on && "
                f"tc qdisc add dev {link} clsact"
            )
        for index, representor in enumerate(cls.representors):
            cls._plug(index, representor)

    @classmethod
    def _plug(cls, index: int, representor: str) -> None:
        """Another netdevsim stands for the VF. link_device wants its two ends as file descriptors
        of namespaces and interface numbers."""
        cls.guest.add_namespace(f"v{index}")
        number = NIC + 1 + index
        cls.vm.check(f"""
            echo {number} 1 > /sys/bus/netdevsim/new_device
            vf=$(ls /sys/bus/netdevsim/devices/netdevsim{number}/net)
            exec 9</proc/self/ns/net
            one=$(cat /sys/class/net/{representor}/ifindex)
            other=$(cat /sys/class/net/$vf/ifindex)
            echo "9:$one 9:$other" > /sys/bus/netdevsim/link_device || exit 1
            ip link set $vf netns v{index} name eth0
            ip -n v{index} addr add 10.4.0.{index + 1}/24 dev eth0
            ip -n v{index} link set eth0 up""")

    def tearDown(self) -> None:
        for link in (self.uplink, *self.representors):
            self.vm.check(f"tc filter del dev {link} ingress")

    def _rules(self, link: str) -> list[dict]:
        shown = json.loads(self.vm.check(f"tc -j -s filter show dev {link} ingress"))
        return [rule for rule in shown if "handle" in rule.get("options", {})]

    def _count(self) -> int:
        return int(self.vm.check(f"cat {DEBUG}/flower_count"))

    def test_representors_name_their_vfs_and_share_a_switch(self) -> None:
        switches, names = set(), []
        for link in (self.uplink, *self.representors):
            switches.add(self.vm.check(f"cat /sys/class/net/{link}/phys_switch_id"))
            names.append(self.vm.check(f"cat /sys/class/net/{link}/phys_port_name").strip())
        self.assertEqual(len(switches), 1)
        self.assertEqual(names, ["p1", "pf0vf0", "pf0vf1"])

    def test_rules_are_in_hardware_and_count(self) -> None:
        self.vm.check(
            f"tc filter add dev {self.representors[0]} ingress protocol ip flower skip_sw "
            f"dst_ip 10.96.0.10 ip_proto udp dst_port 53 action mirred egress redirect "
            f"dev {self.uplink}"
        )
        first, second = (self._rules(self.representors[0])[0]["options"] for _ in range(2))
        self.assertTrue(first["in_hw"] and first["skip_sw"], first)
        stats = [options["actions"][0]["stats"] for options in (first, second)]
        self.assertEqual(stats[1]["hw_packets"] - stats[0]["hw_packets"], 1)
        self.assertEqual(stats[1]["hw_bytes"] - stats[0]["hw_bytes"], 1500)
        self.assertEqual(self._count(), 1)

    def test_actions_that_nics_do_not_have_are_refused(self) -> None:
        output = self.vm.run(
            f"tc filter add dev {self.uplink} ingress protocol ip flower skip_sw "
            "dst_ip 10.96.0.11 action skbedit mark 5"
        )
        self.assertNotEqual(output.status, 0)
        self.assertIn("can't be offloaded", output.stderr)
        self.assertEqual(self._count(), 0)

    def test_a_full_table_refuses(self) -> None:
        limit = int(self.vm.check(f"cat {DEBUG}/flower_max"))
        self.addCleanup(self.vm.check, f"echo {limit} > {DEBUG}/flower_max")
        self.vm.check(f"echo 3 > {DEBUG}/flower_max")
        add = f"tc filter add dev {self.uplink} ingress protocol ip prio 5 flower skip_sw dst_ip"
        for last in range(3):
            self.vm.check(f"{add} 10.97.0.{last} action drop")
        # tc says the kernel's words, or its error number, but not both.
        output = self.vm.run(f"strace -e trace=recvmsg {add} 10.97.0.9 action drop")
        self.assertIn("table of flower rules is full", output.stderr)
        self.assertIn("error=-ENOSPC", output.stderr)
        self.assertEqual((len(self._rules(self.uplink)), self._count()), (3, 3))
        # One goes, so one more fits.
        handle = self._rules(self.uplink)[0]["options"]["handle"]
        self.vm.check(
            f"tc filter del dev {self.uplink} ingress protocol ip prio 5 handle {handle} flower"
        )
        self.vm.check(f"{add} 10.97.0.9 action drop")
        self.assertEqual(self._count(), 3)

    def test_traffic_of_vfs_goes_through_their_representors(self) -> None:
        self.assertFalse(self.guest.answers("v0", "10.4.0.2"))
        for one, other in (self.representors, reversed(self.representors)):
            self.vm.check(
                f"tc filter add dev {one} ingress protocol all flower "
                f"action mirred egress redirect dev {other}"
            )
        self.guest.await_answer("v0", "10.4.0.2")
