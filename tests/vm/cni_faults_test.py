# SPDX-License-Identifier: Apache-2.0
"""Attachments that go wrong: pods that die, drivers that refuse, IPAM that hangs, disks that are
full. After each test everything is as before (CniTest)."""

from __future__ import annotations

from typing import Any

from cni_case import BIN, CALL_SECONDS, HERE, STATE, CniTest, answer_of

MAC = "02:00:00:00:99:07"
# As a pod with CAP_NET_ADMIN leaves it.
MAKE_DIRTY = """
ip link set net1 promisc on allmulticast on mtu 1300 txqueuelen 77
ip link property add dev net1 altname left0 altname pf0v0alt
tc qdisc replace dev net1 root prio
tc qdisc add dev net1 clsact
ip link set net1 down
ip link set net1 address 02:00:00:00:99:0f
ip link set net1 name odd0 up
"""


class CniPodsTest(CniTest):
    """What pods do to their VFs, and when they go."""

    def test_a_namespace_that_died_first(self) -> None:
        for dirty, trust in ((False, "off"), (True, "on")):
            with self.subTest(dirty=dirty):
                network = self.network(self.vfs[0], vlan=100, mac=MAC, trust=trust, mtu=1400)
                home = self.look()
                self.make_pod("p1")
                self.succeed("ADD", "p1", network)
                if dirty:
                    self.dirty("p1")
                self.vm.check("ip netns del p1")
                self.succeed("DEL", "p1", network)
                self.assert_as(home)

    def test_a_dirty_vf_comes_back_clean(self) -> None:
        home = self.look()
        network = self.network(self.vfs[0], vlan=100, trust="on")
        self.make_pod("p1")
        self.succeed("ADD", "p1", network)
        self.dirty("p1")
        self.succeed("DEL", "p1", network)
        self.assert_as(home)

    def dirty(self, pod: str) -> None:
        self.vm.check(f"nsenter --net=/run/netns/{pod} sh -e", stdin=MAKE_DIRTY)

    def test_repair_without_any_del(self) -> None:
        home = self.look()
        self.make_pod("p1")
        self.succeed("ADD", "p1", self.network(self.vfs[0], vlan=100, mac=MAC, trust="on"))
        self.dirty("p1")
        self.vm.check("ip netns del p1")
        repair = f"{BIN}/sluice-cni repair --state-dir {STATE} --baseline-dir {HERE}/baselines"
        self.assertIn("p1/net1", self.vm.check(f"{repair} --dry-run"))
        self.vm.check(repair)
        self.assert_as(home)
        self.assertEqual(self.vm.check(repair), "nothing to repair\n")

    def test_two_adds_for_one_vf(self) -> None:
        network = self.network(self.vfs[0])
        pods = [self.make_pod(name) for name in ("p1", "p2")]
        jobs = [self.start("ADD", pod, network) for pod in pods]
        answers = [answer_of(job.wait(CALL_SECONDS)) for job in jobs]
        self.assertEqual(sorted(answer.code for answer in answers), [0, 11], answers)
        loser = pods[[answer.code for answer in answers].index(11)]
        self.assertEqual(self.guest.links(loser), ["lo"])
        for pod in pods:
            self.succeed("DEL", pod, network)

    def test_an_old_pods_late_del_leaves_the_new_pod_alone(self) -> None:
        old = self.network(self.vfs[0], vlan=100, mac=MAC)
        self.make_pod("p1")
        self.succeed("ADD", "p1", old)
        self.vm.check("ip netns del p1")
        self.add("p2", self.network(self.vfs[0], vlan=200))
        taken = self.look()
        self.succeed("DEL", "p1", old)
        self.assert_as(taken)
        self.assertEqual(self.guest.vf_info(self.vfs[0])["vlan_list"][0]["vlan"], 200)
        self.assertIn("net1", self.guest.links("p2"))

    def test_a_second_add_and_a_name_that_is_taken(self) -> None:
        network = self.network(self.vfs[0])
        self.add("p1", network)
        taken = self.look()
        self.refused("ADD", "p1", network, "net1")
        self.make_pod("p2")
        self.vm.check("ip -n p2 link add net1 type dummy")
        answer = self.refused("ADD", "p2", self.network(self.vfs[1]), "net1")
        self.assertEqual(answer.code, 4)
        self.vm.check("ip -n p2 link property add dev net1 altname net2")
        altname = self.call("ADD", "p2", self.network(self.vfs[1]), interface="net2")
        self.assertEqual(altname.code, 4, altname)
        self.assertEqual(self.guest.links("p2"), ["lo", "net1"])
        self.assert_as(taken)


class CniRefusedTest(CniTest):
    """The kernel applies attributes one after the other and keeps the earlier ones when a later
    one is refused."""

    def test_attributes_that_the_driver_refuses(self) -> None:
        home = self.look()
        self.make_pod("p1")
        for keys in (
            {"link_state": "enable"},
            {"min_tx_rate": 10, "max_tx_rate": 100},
            {"vlan": 5, "vlanQoS": 1, "vlanProto": "802.1ad"},
        ):
            with self.subTest(keys):
                network = self.network(
                    self.vfs[0], **{"vlan": 100, "trust": "on", "spoofchk": "off", **keys}, mac=MAC
                )
                self.refused("ADD", "p1", network, "attributes of VF 0")
                self.assertEqual(self.guest.links("p1"), ["lo"])
                self.assert_as(home)
                self.succeed("DEL", "p1", network)
                self.assert_as(home)

    def test_an_mtu_above_the_pfs(self) -> None:
        self.make_pod("p1")
        answer = self.refused("ADD", "p1", self.network(self.vfs[0], mtu=9000), "mtu is 9000")
        self.assertEqual(answer.code, 7)

    def test_a_mac_that_no_link_takes(self) -> None:
        self.make_pod("p1")
        network = self.network(self.vfs[0], mac="01:00:00:00:00:01")
        self.assertEqual(self.refused("ADD", "p1", network, "mac").code, 7)


class CniLostVfTest(CniTest):
    def test_vfs_that_go_away_under_a_pod(self) -> None:
        network = self.network(self.vfs[0], vlan=100, mac=MAC)
        self.make_pod("p1")
        self.succeed("ADD", "p1", network)
        self.vm.check("echo 0 >/sys/class/net/pf0/device/sriov_numvfs")
        for _ in range(2):
            self.succeed("DEL", "p1", network)
        self.assertEqual(self.files(), [])
        type(self).vfs = self.guest.make_vfs("pf0", self.vfs_wanted)
        self._before = self.look()
        self.add("p2", self.network(self.vfs[0]))

    def setUp(self) -> None:
        self._before = self.look()
        self.addCleanup(lambda: self.assert_as(self._before))


class CniIpamTest(CniTest):
    """An IPAM plugin that does as its file `how` says: "ok", or "fail VERB", "hang VERB", "babble
    VERB" and "die VERB", and keeps the addresses that it gave as files."""

    PLUGIN = f"""#!/bin/sh
config=$(cat)
[ "$(cat {HERE}/how)" != "hang $CNI_COMMAND" ] || {{ touch {HERE}/hangs; exec sleep 1000; }}
if [ "$(cat {HERE}/how)" = "fail $CNI_COMMAND" ]; then
    echo '{{"cniVersion": "1.0.0", "code": 100, "msg": "no address today"}}'
    exit 1
fi
[ "$(cat {HERE}/how)" != "babble $CNI_COMMAND" ] || {{ echo babble; exit 0; }}
[ "$(cat {HERE}/how)" != "die $CNI_COMMAND" ] || kill -9 $$
mkdir -p {STATE}/odd
case $CNI_COMMAND in
ADD)
    touch {STATE}/odd/$CNI_CONTAINERID
    echo '{{"cniVersion": "1.0.0", "ips": [{{"address": "10.9.9.1/24"}}]}}'
    ;;
DEL) rm -f {STATE}/odd/$CNI_CONTAINERID ;;
esac
"""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.vm.check(f"cat >{BIN}/odd && chmod 755 {BIN}/odd", stdin=cls.PLUGIN)

    def odd(self, **keys: Any) -> dict[str, Any]:
        return self.network(self.vfs[0], vlan=100, mac=MAC, ipam={"type": "odd"}, **keys)

    def ipam(self, how: str) -> None:
        if how != "ok":
            self.addCleanup(self.ipam, "ok")  # before the DELs of the test's end
        self.vm.check(f"rm -f {HERE}/hangs; echo '{how}' >{HERE}/how")

    def test_an_add_that_fails(self) -> None:
        home = self.look()
        self.ipam("fail ADD")
        self.make_pod("p1")
        self.refused("ADD", "p1", self.odd(), "no address today")
        self.assert_as(home)
        self.ipam("ok")
        self.add("p1b", self.odd())

    def test_an_add_that_hangs_until_the_runtime_kills_it(self) -> None:
        home = self.look()
        self.ipam("hang ADD")
        self.make_pod("p1")
        job = self.start("ADD", "p1", self.odd())
        self.guest.await_true(f"test -e {HERE}/hangs")
        job.stop()
        self.ipam("ok")
        self.succeed("DEL", "p1", self.odd())
        self.assert_as(home)

    def test_a_del_that_hangs_until_the_runtime_kills_it(self) -> None:
        home = self.look()
        self.ipam("ok")
        self.make_pod("p1")
        self.succeed("ADD", "p1", self.odd())
        self.ipam("hang DEL")
        job = self.start("DEL", "p1", self.odd())
        self.guest.await_true(f"test -e {HERE}/hangs")
        job.stop()
        self.ipam("ok")
        self.succeed("DEL", "p1", self.odd())
        self.assert_as(home)

    def test_a_check_that_fails(self) -> None:
        self.ipam("ok")
        result = self.add("p1", self.odd())
        checked = self.odd(prevResult=result)
        self.succeed("CHECK", "p1", checked)
        self.ipam("fail CHECK")
        self.refused("CHECK", "p1", checked, "no address today")
        self.ipam("ok")

    def test_an_answer_that_is_none(self) -> None:
        home = self.look()
        self.make_pod("p1")
        for how in ("babble ADD", "die ADD"):
            with self.subTest(how):
                self.ipam(how)
                self.refused("ADD", "p1", self.odd(), "odd")
                self.assert_as(home)
        self.ipam("ok")

    def test_a_del_that_fails_and_then_does_not(self) -> None:
        home = self.look()
        self.ipam("ok")
        self.make_pod("p1")
        self.succeed("ADD", "p1", self.odd())
        self.ipam("fail DEL")
        self.refused("DEL", "p1", self.odd(), "no address today")
        # The VF is nobody's any more, whatever becomes of the address.
        back = {key: value for key, value in self.look().items() if key != "files"}
        self.assertEqual(back, {key: value for key, value in home.items() if key != "files"})
        self.ipam("ok")
        self.add("p2", self.odd())
        self.succeed("DEL", "p1", self.odd())


class CniDiskTest(CniTest):
    def test_a_corrupt_record(self) -> None:
        home = self.look()
        network = self.network(self.vfs[0], vlan=100, mac=MAC, trust="on")
        for damage in ("truncate -s 40", "sed -i s/100/101/", "cp /bin/true"):
            with self.subTest(damage):
                self.make_pod("p1")
                self.succeed("ADD", "p1", network)
                self.vm.check(f"for each in {STATE}/attachments/*.json; do {damage} $each; done")
                for _ in range(2):
                    self.succeed("DEL", "p1", network)
                self.vm.check(f"rm -r {STATE}/damaged; ip netns del p1")
                self.assert_as(home)

    def test_a_full_disk(self) -> None:
        home = self.look()
        self.vm.check(f"mkdir -p {HERE}/small && mount -t tmpfs -o size=64k small {HERE}/small")
        self.addCleanup(self.vm.check, f"umount {HERE}/small")
        network = {**self.network(self.vfs[0], vlan=100), "stateDir": f"{HERE}/small"}
        self.make_pod("p1")
        self.succeed("ADD", "p1", network)
        self.vm.run(f"dd if=/dev/zero of={HERE}/small/ballast bs=4k")
        self.make_pod("p2")
        full = {**network, "deviceID": self.vfs[1].address}
        self.refused("ADD", "p2", full, "[Nn]o space")
        self.assertEqual(self.guest.links("p2"), ["lo"])
        for pod, config in (("p2", full), ("p1", network)):
            self.succeed("DEL", pod, config)
        self.assert_as(home)
        left = self.vm.check(f"find {HERE}/small -type f ! -path '*/locks/*' ! -name '.l*'")
        self.assertEqual(left.split(), [f"{HERE}/small/ballast"])

    def test_a_read_only_disk(self) -> None:
        home = self.look()
        self.vm.check(f"mkdir -p {HERE}/small && mount -t tmpfs small {HERE}/small")
        self.addCleanup(self.vm.check, f"umount {HERE}/small")
        network = {**self.network(self.vfs[0], vlan=100), "stateDir": f"{HERE}/small"}
        self.make_pod("p1")
        self.succeed("ADD", "p1", network)
        self.vm.check(f"mount -o remount,ro {HERE}/small")
        self.make_pod("p2")
        other = {**network, "deviceID": self.vfs[1].address}
        self.refused("ADD", "p2", other, "[Rr]ead-only")
        self.succeed("DEL", "p2", other)
        self.vm.check(f"mount -o remount,rw {HERE}/small")
        self.succeed("DEL", "p1", network)
        self.assert_as(home)
