# SPDX-License-Identifier: Apache-2.0
"""What a VF is given back as when the host wants it otherwise since its baseline was taken, or that
never said."""

from __future__ import annotations

import json

from cni_case import BASELINES, BIN, HERE, STATE, CniTest

MAC = "02:00:00:00:99:07"
HOSTS = "02:00:00:00:99:17"


class CniHomeTest(CniTest):
    def setUp(self) -> None:
        super().setUp()
        self.vf = self.vfs[0]
        self.add("taker", self.network(self.vf))  # the baseline is taken
        self.succeed("DEL", "taker", self.network(self.vf))

    def test_an_mtu_and_a_mac_that_the_host_set_in_place(self) -> None:
        before = self.guest.link(self.vf.link)
        self.vm.check(f"ip link set {self.vf.link} mtu 1400 address {HOSTS}")
        self.addCleanup(
            self.vm.check,
            f"ip link set {self.vf.link} mtu {before['mtu']} address {before['address']}",
        )
        changed = self.look()
        interface = self.add("p1", self.network(self.vf))["interfaces"][0]
        self.assertEqual(interface["mac"], HOSTS)
        inside = json.loads(self.in_pod("p1", "ip -j link show net1"))[0]
        self.assertEqual((inside["address"], inside["mtu"]), (HOSTS, 1400))
        self.succeed("DEL", "p1", self.network(self.vf))
        self.assert_as(changed)

    def test_an_administrative_mac_and_a_vlan_that_were_set_since(self) -> None:
        pf = f"ip link set pf0 vf {self.vf.index}"
        self.vm.check(f"{pf} trust off && {pf} mac {HOSTS} && {pf} vlan 7")
        self.addCleanup(self.vm.check, f"{pf} mac 00:00:00:00:00:00 && {pf} vlan 0")
        changed = self.look()
        for _ in range(2):
            self.make_pod("p1")
            self.succeed("ADD", "p1", self.network(self.vf, mac=MAC, vlan=100))
            self.assertEqual(self.guest.vf_info(self.vf)["address"], MAC)
            self.succeed("DEL", "p1", self.network(self.vf, mac=MAC, vlan=100))
            self.assert_as(changed)
            self.vm.check("ip netns del p1")

    def test_a_dirty_vf_whose_baseline_is_of_its_time_with_vfio(self) -> None:
        before = self.guest.link(self.vf.link)
        self.make_pod("p1")
        network = self.network(self.vf, vlan=100, mac=MAC)
        self.succeed("ADD", "p1", network)
        self.in_pod("p1", "ip link set net1 promisc on")
        self.vm.check("ip netns del p1")
        self.guest.await_true("ip link show net1")
        self.vm.check(f"rm -rf {STATE}/attachments {STATE}/ipam")  # nobody knows it any more
        path = f"{BASELINES}/{self.vf.address}.json"
        baseline = json.loads(self.vm.check(f"cat {path}"))
        self.addCleanup(self.vm.check, f"rm {path}")
        del baseline["netdev"]
        baseline["driver"] = "vfio-pci"
        self.vm.check(f"cat >{path}", stdin=json.dumps(baseline))
        self.make_pod("p2")
        self.refused("ADD", "p2", self.network(self.vf), "still is as a pod had it")
        repair = f"{BIN}/sluice-cni repair --state-dir {STATE} --baseline-dir {HERE}/baselines"
        self.assertIn(self.vf.address, self.vm.check(repair))
        self.assertEqual(self.vm.check(repair), "nothing to repair\n")
        self.assertEqual(self.guest.vf_info(self.vf)["vlan_list"][0].get("vlan", 0), 0)
        name = self.vm.check(f"ls {self.vf.sysfs}/net").strip()
        made = self.guest.link(name)
        self.assertNotEqual((name, made["address"]), ("net1", MAC))
        self.assertEqual((made.get("ifalias"), made["promiscuity"]), (None, 0))
        self.vm.check(f"ip link set {name} name {self.vf.link} address {before['address']}")
