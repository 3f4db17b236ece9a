# SPDX-License-Identifier: Apache-2.0
"""Real VFs: what the PF says of them, what passes between them, where they go when a pod dies."""

from __future__ import annotations

from lane.case import VmTest
from lane.guest import PFS, VFS_PER_PF


class VfAttributesTest(VmTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.vfs = {pf: cls.guest.make_vfs(pf, VFS_PER_PF) for pf in PFS}

    def test_every_pf_has_seven_vfs_with_network_devices(self) -> None:
        for pf, vfs in self.vfs.items():
            self.assertEqual(len(vfs), VFS_PER_PF)
            paths = " ".join(f"{vf.sysfs}/driver {vf.sysfs}/physfn" for vf in vfs)
            said = self.vm.check(f"readlink {paths} | sed 's,.*/,,'").split()
            self.assertEqual(said, ["igbvf", PFS[pf]] * VFS_PER_PF)

    def test_attributes_are_told_as_they_were_set(self) -> None:
        vf = self.vfs["pf0"][2]
        self.vm.check(
            f"ip link set {vf.pf} vf {vf.index} mac 02:00:00:00:00:12 vlan 100 qos 3 "
            "spoofchk off trust on max_tx_rate 100"
        )
        info = self.guest.vf_info(vf)
        self.assertEqual(info["address"], "02:00:00:00:00:12")
        self.assertEqual((info["vlan_list"][0]["vlan"], info["vlan_list"][0]["qos"]), (100, 3))
        self.assertEqual((info["spoofchk"], info["trust"]), (False, True))
        self.assertEqual(info["rate"]["max_tx"], 100)
        others = [self.guest.vf_info(each) for each in self.vfs["pf0"] if each is not vf]
        self.assertFalse(any(other["trust"] for other in others))

    def test_what_the_driver_has_not_is_refused(self) -> None:
        for words in ("state enable", "query_rss on", "min_tx_rate 10", "vlan 5 proto 802.1ad"):
            output = self.vm.run(f"ip link set pf0 vf 0 {words}")
            self.assertNotEqual(output.status, 0, words)


class VfTrafficTest(VmTest):
    """One VF each in two namespaces, on one PF; the wire in a third."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.vfs = cls.guest.make_vfs("pf0", 3)
        for name, link, address in (
            ("a", cls.vfs[0].link, "10.9.0.1/24"),
            ("b", cls.vfs[1].link, "10.9.0.2/24"),
            ("w", "wire", "10.9.0.9/24"),
        ):
            cls.guest.add_namespace(name)
            cls.guest.give(link, name, "net1", address)

    def test_vf_to_vf(self) -> None:
        self.guest.await_answer("a", "10.9.0.2")
        self.assertTrue(self.guest.answers("b", "10.9.0.1"))

    def test_vf_to_wire(self) -> None:
        self.guest.await_answer("a", "10.9.0.9")
        self.assertTrue(self.guest.answers("w", "10.9.0.2"))

    def test_vlan_keeps_vfs_apart(self) -> None:
        self.guest.await_answer("a", "10.9.0.2")
        self.addCleanup(self.vm.check, "ip link set pf0 vf 0 vlan 0; ip link set pf0 vf 1 vlan 0")
        self.vm.check("ip link set pf0 vf 0 vlan 100")
        self.assertFalse(self.guest.answers("a", "10.9.0.2"))
        self.vm.check("ip link set pf0 vf 1 vlan 100")
        self.guest.await_answer("a", "10.9.0.2")
        self.assertFalse(self.guest.answers("a", "10.9.0.9"))

    def test_a_dead_namespace_gives_its_vf_back_under_the_pods_name(self) -> None:
        vf = self.vfs[2]
        before = self.guest.link(vf.link)
        self.guest.add_namespace("dead")
        self.guest.give(vf.link, "dead", "net7", "10.9.0.7/24")
        self.assertNotIn(vf.link, self.guest.links())
        self.vm.check("ip netns del dead")
        self.guest.await_true("test -e /sys/class/net/net7")
        after = self.guest.link("net7")
        self.assertEqual(after["ifindex"], before["ifindex"])
        self.assertEqual(self.vm.check(f"ls {vf.sysfs}/net").split(), ["net7"])
        self.assertEqual(after["addr_info"], [])
