# SPDX-License-Identifier: Apache-2.0
"""Kubelet, containerd and the device plugin killed under running pods."""

from cluster import sluice, workloads
from cluster.case import ClusterTest
from cluster.pods import RunningPod

VICTIMS = ("sluice-device-plugin", "containerd", "kubelet")


class Restarts(ClusterTest):
    def test_killed_under_running_pods(self) -> None:
        before = self.run_deployment("web", 4, vfs=1)
        self.require_both_nodes(before)
        places = self.require_right_vf(before)
        for victim in VICTIMS:
            with self.subTest(victim=victim):
                self.restart((victim,))
                self.cluster.await_allocatable(sluice.VFS)
                self._require_unchanged(before, places)
        with self.subTest(victim="all three at once"):
            self.restart(VICTIMS)
            self.cluster.await_allocatable(sluice.VFS)
            self._require_unchanged(before, places)

        # Every VF that is left can be given out, and none of those that are in use.
        total = sluice.VFS * len(self.cluster.nodes)
        self.kubectl("scale", "deployment", "web", f"--replicas={total}")
        everyone = self.await_ready("web", total, timeout=120.0)
        after = self.require_right_vf(everyone)
        self.assertEqual({key: after[key] for key in places}, places)
        self.require_all_reach_all([*before, *everyone[:2]])

    def _require_unchanged(self, before: list[RunningPod], places: dict[str, str]) -> None:
        now = self.await_ready("web", len(before))
        self.assertEqual(now, before)  # the same pods, addresses and containers
        self.assertEqual(self.require_right_vf(now), places)
        self.require_all_reach_all(now)

    def test_a_vf_freed_while_the_plugin_is_away(self) -> None:
        node = self.cluster.nodes["n1"]
        self.kubectl.apply(workloads.pod("first", vfs=1, node=node.name))
        first = self.await_ready("first", 1)
        self.require_right_vf(first)
        node.kill_program("sluice-device-plugin")
        try:
            self.kubectl.delete("pod", "first")
        finally:
            node.start_program("sluice-device-plugin")
        self.await_vfs_at_home()
        self.kubectl.apply(workloads.pod("second", vfs=1, node=node.name))
        self.require_right_vf(self.await_ready("second", 1))
