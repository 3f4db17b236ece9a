# SPDX-License-Identifier: Apache-2.0
"""RDMA devices in pods: exclusive mode, each moved into a namespace, traffic between the two over
two real VFs."""

from __future__ import annotations

import json

from lane.case import VmTest

SECONDS = 120.0


class RdmaTest(VmTest):
    """Two VFs of pf0, each with an RDMA device on it; namespaces `a` (10.8.0.1) and `b`
    (10.8.0.2)."""

    kind: str
    module: str

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # By the module's parameter: the command refuses when there is a namespace already.
        cls.vm.check("modprobe ib_core netns_mode=0 && rdma system set netns exclusive")
        cls.vm.check(f"modprobe -a {cls.module} rdma_ucm")
        cls.vfs = cls.guest.make_vfs("pf0", 2)
        for index, vf in enumerate(cls.vfs):
            cls.vm.check(f"rdma link add {cls.kind}{index} type {cls.kind} netdev {vf.link}")

    def setUp(self) -> None:
        for index, name in enumerate("ab"):
            self.guest.add_namespace(name)
            self.addCleanup(self._give_back, index, name)
            self.guest.give(self.vfs[index].link, name, "net1", f"10.8.0.{index + 1}/24")
            self.vm.check(f"rdma dev set {self.kind}{index} netns {name}")
        self.guest.await_answer("a", "10.8.0.2")

    def _give_back(self, index: int, name: str) -> None:
        self.vm.check(
            f"ip -n {name} link set net1 netns 1 name {self.vfs[index].link} && ip netns del {name}"
        )

    def in_pod(self, name: str, command: str) -> str:
        return f"nsenter --net=/run/netns/{name} {command}"

    def devices(self, name: str = "") -> list[str]:
        """Of a namespace; "" is the guest's own."""
        command = "rdma -j dev"
        shown = self.vm.check(self.in_pod(name, command) if name else command)
        return [device["ifname"] for device in json.loads(shown or "[]")]

    def require_answer(self, server: str, port: int, client: str) -> str:
        """The server runs in `b` and listens on a TCP port; what the client in `a` says."""
        job = self.vm.start(self.in_pod("b", server))
        self.addCleanup(job.stop)
        listening = self.in_pod("b", f"ss -Hltn sport = :{port}") + " | grep -q ."
        self.guest.await_true(f'sh -c "{listening}"')
        said = self.vm.check(self.in_pod("a", client), timeout=SECONDS)
        output = job.wait(SECONDS)
        self.assertEqual(output.status, 0, output)
        return said


class RxeTest(RdmaTest):
    kind, module = "rxe", "rdma_rxe"

    def test_each_pod_sees_its_own_device_only(self) -> None:
        self.assertEqual(self.devices("a"), ["rxe0"])
        self.assertEqual(self.devices("b"), ["rxe1"])
        self.assertEqual(self.devices(), [])

    def test_messages_between_two_pods(self) -> None:
        gids = [self._gid(name, index) for index, name in enumerate("ab")]
        # -e: two that poll would take both processors from the driver, which needs them.
        said = self.require_answer(
            f"ibv_rc_pingpong -e -d rxe1 -g {gids[1]} -n 200",
            18515,
            f"ibv_rc_pingpong -e -d rxe0 -g {gids[0]} -n 200 10.8.0.2",
        )
        self.assertIn("200 iters", said)

    def test_a_dead_pod_gives_its_device_back(self) -> None:
        self.guest.add_namespace("c")
        self.vm.check(
            "ip -n a link set net1 down && ip -n a link set net1 netns c && "
            f"{self.in_pod('a', 'rdma dev set rxe0 netns c')}"
        )
        self.assertEqual(self.devices("c"), ["rxe0"])
        self.vm.check("ip netns del c")
        self.guest.await_true("test -e /sys/class/net/net1")
        self.guest.await_true("test -e /sys/class/infiniband/rxe0")
        self.vm.check(f"ip link set net1 netns a && rdma dev set rxe0 netns a")

    def _gid(self, name: str, index: int) -> int:
        """The number of the GID that is made of the pod's IPv4 address."""
        folder = f"/sys/class/infiniband/rxe{index}/ports/1/gids"
        found = self.vm.check(
            f"ip netns exec {name} grep -il ':0a08:000{index + 1}$' -r {folder} | head -n 1"
        )
        return int(found.strip().rsplit("/", 1)[1])


class SiwTest(RdmaTest):
    kind, module = "siw", "siw"

    def test_messages_between_two_pods(self) -> None:
        said = self.require_answer(
            "rping -s -a 10.8.0.2 -C 3 -v", 7174, "rping -c -a 10.8.0.2 -C 3 -v"
        )
        self.assertIn("rdma-ping-2", said)
