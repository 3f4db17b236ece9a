# SPDX-License-Identifier: Apache-2.0
"""Pods that ask for sluice.dev/vf, by way of the real scheduler and kubelet."""

from cluster import pods, sluice, workloads
from cluster.case import ClusterTest


class Vfs(ClusterTest):
    def test_each_pod_has_its_own_vf(self) -> None:
        everyone = self.run_deployment("web", 4, vfs=1)
        self.require_both_nodes(everyone)
        self.require_right_vf(everyone)
        self.require_all_reach_all(everyone)
        self.kubectl.delete("deployment", "web")
        self.await_vfs_at_home()

    def test_a_pod_without_a_free_vf_waits(self) -> None:
        total = sluice.VFS * len(self.cluster.nodes)
        self.kubectl.apply(workloads.deployment("many", total + 1, vfs=1))
        running = self.await_ready("many", total, timeout=120.0)
        self.assertEqual(len(set(self.require_right_vf(running).values())), total)
        waiting = self._pending("many")
        self.assertEqual(len(waiting), 1)
        self.assertIn(f"Insufficient {sluice.RESOURCE}", waiting[0][1])

        # Not one of the Deployment's is deleted, that would be replaced: it gets one pod fewer.
        name = waiting[0][0]
        self.kubectl("label", "pod", running[0].name, f"{workloads.APP}=released", "--overwrite")
        self.kubectl("scale", "deployment", "many", f"--replicas={total}")
        self.kubectl.delete("pod", running[0].name)
        after = self.await_ready("many", total)
        self.assertIn(name, {pod.name for pod in after})
        freed = pods.devices_by_kubelet(self.cluster)
        self.assertEqual(len(freed), total)
        self.require_right_vf([pod for pod in after if pod.name == name])

    def _pending(self, app: str) -> list[tuple[str, str]]:
        """Names of pods that are not scheduled, and the scheduler's message."""
        found = []
        for pod in self.pods_of(app):
            for condition in pod["status"].get("conditions") or []:
                if condition["type"] == "PodScheduled" and condition["status"] == "False":
                    found.append((pod["metadata"]["name"], condition.get("message", "")))
        return found
