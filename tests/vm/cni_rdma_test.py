# SPDX-License-Identifier: Apache-2.0
"""RDMA devices that go with their VFs: soft-RoCE on real VFs, in exclusive and in shared mode."""

from __future__ import annotations

import json
from typing import Any

from cni_case import CniTest
from lane.guest import Vf

SECONDS = 60.0


class CniRdmaTest(CniTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # By the module's parameter: the command refuses when there is a namespace already.
        cls.vm.check("modprobe ib_core netns_mode=0 && rdma system set netns exclusive")
        cls.vm.check("modprobe rdma_rxe")
        for vf in cls.vfs:
            cls.vm.check(f"rdma link add rxe{vf.index} type rxe netdev {vf.link}")

    def look(self) -> dict[str, Any]:
        return {**super().look(), "rdma": sorted(self.devices())}

    def devices(self, pod: str = "") -> list[str]:
        shown = self.in_pod(pod, "rdma -j dev") if pod else self.vm.check("rdma -j dev")
        return [device["ifname"] for device in json.loads(shown or "[]")]

    def exclusive(self, vf: Vf) -> dict[str, Any]:
        return self.network(vf, rdma="exclusive", mac=f"02:00:00:00:99:0{vf.index}")

    def test_messages_between_two_pods(self) -> None:
        addresses = []
        for vf, pod in zip(self.vfs, ("p1", "p2")):
            result = self.add(pod, self.exclusive(vf))
            addresses.append(self.address(result))
            self.assertEqual(self.devices(pod), [f"rxe{vf.index}"])
            self.succeed("CHECK", pod, {**self.exclusive(vf), "prevResult": result})
        self.assertEqual(self.devices(), [])
        self.guest.await_answer("p1", addresses[1])
        gids = [self.gid(pod, index, addresses[index]) for index, pod in enumerate(("p1", "p2"))]
        # -e: two that poll would take both processors from the driver, which needs them.
        ping = "nsenter --net=/run/netns/{} ibv_rc_pingpong -e -d rxe{} -g {} -n 200"
        server = self.vm.start(ping.format("p2", 1, gids[1]))
        self.addCleanup(server.stop)
        self.guest.await_true(
            "sh -c 'nsenter --net=/run/netns/p2 ss -Hltn sport = :18515 | grep -q .'"
        )
        said = self.vm.check(
            f"{ping.format('p1', 0, gids[0])} {addresses[1]}", timeout=SECONDS
        )
        self.assertIn("200 iters", said)
        self.assertEqual(server.wait(SECONDS).status, 0)

    def gid(self, pod: str, index: int, address: str) -> int:
        """The number of the GID that is made of the pod's IPv4 address."""
        folder = f"/sys/class/infiniband/rxe{index}/ports/1/gids"
        last = "".join(f"{int(part):02x}" for part in address.split("."))
        wanted = f":{last[:4]}:{last[4:]}$"
        found = self.vm.check(f"ip netns exec {pod} grep -il '{wanted}' -r {folder} | head -n 1")
        return int(found.strip().rsplit("/", 1)[1])

    def test_it_comes_back_by_del_and_when_the_pod_dies(self) -> None:
        home = self.look()
        network = self.exclusive(self.vfs[0])
        for pod_dies in (False, True):
            with self.subTest(pod_dies=pod_dies):
                self.make_pod("p1")
                self.succeed("ADD", "p1", network)
                self.assertEqual(self.devices(), ["rxe1"])
                if pod_dies:
                    self.vm.check("ip netns del p1")
                self.succeed("DEL", "p1", network)
                self.assert_as(home)
                self.vm.run("ip netns del p1")

    def test_a_device_that_the_pod_renamed_has_its_name_again_at_home(self) -> None:
        home = self.look()
        network = self.exclusive(self.vfs[0])
        for pod_dies in (False, True):
            with self.subTest(pod_dies=pod_dies):
                result = self.add("p1", network)
                self.in_pod("p1", "rdma dev set rxe0 name the-pods")
                self.assertEqual(self.devices("p1"), ["the-pods"])
                self.succeed("CHECK", "p1", {**network, "prevResult": result})
                if pod_dies:
                    self.vm.check("ip netns del p1")
                self.succeed("DEL", "p1", network)
                self.assert_as(home)
                self.vm.run("ip netns del p1")

    def test_a_device_that_went_missing_is_found_by_check(self) -> None:
        network = self.exclusive(self.vfs[0])
        result = self.add("p1", network)
        self.make_pod("p3")
        self.in_pod("p1", "rdma dev set rxe0 netns p3")
        self.refused("CHECK", "p1", {**network, "prevResult": result}, "rxe0")
        self.vm.check("ip netns del p3")
        self.guest.await_true("test -e /sys/class/infiniband/rxe0")

    def test_shared_where_the_system_is_exclusive_is_an_error(self) -> None:
        self.make_pod("p1")
        network = self.network(self.vfs[0], rdma="shared")
        self.refused("ADD", "p1", network, "exclusive mode")

    def test_exclusive_where_the_system_shares_is_an_error(self) -> None:
        # Only possible while there is no other namespace; they go in the background.
        self.guest.await_true("rdma system set netns shared")
        self.addCleanup(self.guest.await_true, "rdma system set netns exclusive")
        self.make_pod("p1")
        self.refused("ADD", "p1", self.exclusive(self.vfs[0]), "shares RDMA devices")
        shared = self.network(self.vfs[0], rdma="shared")
        self.succeed("ADD", "p1", shared)
        self.assertIn("rxe0", self.devices("p1"))
        self.succeed("DEL", "p1", shared)
