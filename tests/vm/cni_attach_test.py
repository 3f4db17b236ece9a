# SPDX-License-Identifier: Apache-2.0
"""Attachments that go well: traffic, VLANs, MACs, many at a time, CHECK, vfio."""

from __future__ import annotations

from cni_case import CALL_SECONDS, CniTest, answer_of
from lane.guest import VFS_PER_PF

MACS = "02:00:00:00:99:01", "02:00:00:00:99:02"


class CniTrafficTest(CniTest):
    def test_vf_to_vf_and_to_the_wire(self) -> None:
        self.make_pod("w")
        self.guest.give("wire", "w", "wire", "10.9.0.250/24")
        self.addCleanup(self.vm.check, "ip -n w link set wire netns 1")
        first = self.add("p1", self.network(self.vfs[0]))
        second = self.add("p2", self.network(self.vfs[1]))
        self.assertEqual(first["interfaces"][0]["pciID"], self.vfs[0].address)
        self.guest.await_answer("p1", self.address(second))
        self.guest.await_answer("p2", "10.9.0.250")
        self.guest.await_answer("w", self.address(first))

    def test_vlans_keep_pods_apart(self) -> None:
        own, other = (self.network(vf, vlan=vlan) for vf, vlan in zip(self.vfs, (100, 200)))
        self.add("p1", {**own, "mac": MACS[0]})
        self.make_pod("p2")
        address = self.address(self.succeed("ADD", "p2", {**other, "mac": MACS[1]}).out)
        self.guest.call("await_carrier", "p1", "net1")
        self.guest.call("await_carrier", "p2", "net1")
        self.assertFalse(self.guest.answers("p1", address))
        self.succeed("DEL", "p2", other)
        self.make_pod("p3")
        address = self.address(self.succeed("ADD", "p3", {**other, "vlan": 100}).out)
        self.addCleanup(self.succeed, "DEL", "p3", other)
        self.guest.await_answer("p1", address)

    def test_a_mac_with_trust_off_twice_in_a_row(self) -> None:
        vf = self.vfs[0]
        home = self.look()
        for pod, mac in (("p1", MACS[0]), ("p2", MACS[1])):
            network = self.network(vf, mac=mac, trust="off", spoofchk="on")
            self.make_pod(pod)
            result = self.succeed("ADD", pod, network).out
            self.assertEqual(result["interfaces"][0]["mac"], mac)
            self.assertEqual(self.guest.link("net1", pod)["address"], mac)
            info = self.guest.vf_info(vf)
            self.assertEqual((info["address"], info["trust"]), (mac, False))
            self.succeed("DEL", pod, network)
            self.assert_as(home)

    def test_as_users_of_sriov_cni_have_it(self) -> None:
        network = self.network(
            self.vfs[0],
            cniVersion="0.3.1", vlan=1000, vlanQoS=4, spoofchk="off", trust="on", max_tx_rate=100,
            min_tx_rate=0, logLevel="info", ipam={}, unknownKey="of somebody",
        )  # fmt: skip
        self.add("p1", network, args=f"IgnoreUnknown=1;MAC={MACS[0]}")
        info = self.guest.vf_info(self.vfs[0])
        self.assertEqual(info["vlan_list"], [{"vlan": 1000, "qos": 4}])
        self.assertEqual((info["spoofchk"], info["trust"]), (False, True))
        self.assertEqual((info["address"], info["rate"]["max_tx"]), (MACS[0], 100))

    def test_check_finds_each_change(self) -> None:
        network = self.network(
            self.vfs[0], vlan=100, mac=MACS[0], spoofchk="off", trust="on", max_tx_rate=100
        )
        result = self.add("p1", network)
        checked = {**network, "prevResult": result}
        self.succeed("CHECK", "p1", checked)
        pf = f"ip link set pf0 vf {self.vfs[0].index}"
        for words, change, back in (
            ("vlan", f"{pf} vlan 101", f"{pf} vlan 100"),
            ("spoofchk", f"{pf} spoofchk on", f"{pf} spoofchk off"),
            ("trust", f"{pf} trust off", f"{pf} trust on"),
            ("max_tx_rate", f"{pf} max_tx_rate 50", f"{pf} max_tx_rate 100"),
            ("MTU", "ip -n p1 link set net1 mtu 1400", "ip -n p1 link set net1 mtu 1500"),
            (
                "net1: 10.9|address|10.9.0",
                f"ip -n p1 addr del {self.address(result)}/24 dev net1",
                f"ip -n p1 addr add {self.address(result)}/24 dev net1",
            ),
            ("down", "ip -n p1 link set net1 down", "ip -n p1 link set net1 up"),
            (
                "name",
                "ip -n p1 link set net1 name other0",
                "ip -n p1 link set other0 name net1",
            ),
        ):
            with self.subTest(words):
                self.vm.check(change)
                self.refused("CHECK", "p1", checked, words)
                self.vm.check(back)
                self.succeed("CHECK", "p1", checked)


class CniAllAtOnceTest(CniTest):
    vfs_wanted = VFS_PER_PF

    def test_seven_at_once(self) -> None:
        home = self.look()
        networks = [self.network(vf, vlan=100 + vf.index) for vf in self.vfs]
        pods = [self.make_pod(f"p{vf.index}") for vf in self.vfs]
        for verb in ("ADD", "DEL"):
            jobs = [self.start(verb, *each) for each in zip(pods, networks)]
            answers = [answer_of(job.wait(CALL_SECONDS)) for job in jobs]
            self.assertEqual([answer.status for answer in answers], [0] * len(pods), answers)
            if verb == "ADD":
                given = {self.address(answer.out) for answer in answers}
                self.assertEqual(len(given), len(pods))
                vlans = [self.guest.vf_info(vf)["vlan_list"][0]["vlan"] for vf in self.vfs]
                self.assertEqual(vlans, [100 + vf.index for vf in self.vfs])
        self.assert_as(home)


class CniVfioTest(CniTest):
    def test_a_vf_of_user_space_is_set_up_from_its_pf(self) -> None:
        vf = self.vfs[0]
        self.vm.check("modprobe vfio-pci")
        before = self.guest.vf_info(vf)
        self.guest.bind_driver(vf, "vfio-pci")
        self.addCleanup(self.guest.bind_driver, vf)
        network = self.network(vf, vlan=100, mac=MACS[0], vfioPciMode=True, ipam={})
        self.make_pod("p1")
        result = self.succeed("ADD", "p1", network).out
        [interface] = result["interfaces"]
        self.assertEqual((interface["mac"], interface["pciID"]), (MACS[0], vf.address))
        info = self.guest.vf_info(vf)
        self.assertEqual((info["address"], info["vlan_list"][0]["vlan"]), (MACS[0], 100))
        self.assertEqual(self.guest.links("p1"), ["lo"])
        self.succeed("CHECK", "p1", {**network, "prevResult": result})
        self.succeed("DEL", "p1", network)
        self.assertEqual(self.guest.vf_info(vf), before)

    def test_a_vf_with_a_netdev_is_refused_in_this_mode(self) -> None:
        self.make_pod("p1")
        answer = self.refused("ADD", "p1", self.network(self.vfs[1], vfioPciMode=True), "igbvf")
        self.assertEqual(answer.code, 7)
