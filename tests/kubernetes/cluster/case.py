# SPDX-License-Identifier: Apache-2.0
"""What every test of this lane is: a case with the shared cluster and a namespace of its own."""

from __future__ import annotations

import re
import unittest
from concurrent.futures import ThreadPoolExecutor

from cluster import pods, sluice, workloads
from cluster.cluster import Cluster
from cluster.kubectl import Kubectl, is_ready
from cluster.pods import RunningPod

PODS_SECONDS = 60.0
START_ORDER = ("containerd", "kubelet", "sluice-device-plugin")


class ClusterTest(unittest.TestCase):
    """`self.cluster` is up; `self.kubectl` speaks in a namespace that goes with the test."""

    cluster: Cluster
    kubectl: Kubectl

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        try:
            return super().run(result)
        except KeyboardInterrupt:
            # unittest leaves at once. A cluster that stays up must get its VFs back.
            if not self.cluster.ours:
                self.doCleanups()
            raise

    def setUp(self) -> None:
        for node in self.cluster.nodes.values():
            node.require_all_running()
        words = self.id().split(".")[-1].removeprefix("test_")
        self.namespace = re.sub(r"[^a-z0-9]+", "-", words.lower())[:60].strip("-")
        self.kubectl = self.cluster.kubectl.within(self.namespace)
        metadata = {"name": self.namespace}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        self.addCleanup(self._away)
        self.kubectl.wait(
            "the namespace's service account", lambda: self.kubectl.items("serviceaccounts")
        )

    def _away(self) -> None:
        """Pods first and waited for, so that the next test finds every VF free."""
        kinds = "deployments,statefulsets,replicasets,jobs,pods"
        self.kubectl.delete(kinds, "--all", "--grace-period=1")
        self.kubectl("delete", "namespace", self.namespace, "--wait=false")

    # --- steps ------------------------------------------------------------------------------

    def pods_of(self, app: str) -> list[dict]:
        return self.kubectl.items("pods", f"{workloads.APP}={app}")

    def await_ready(
        self, app: str, count: int, timeout: float = PODS_SECONDS
    ) -> list[RunningPod]:
        """Until so many pods of that app are Ready, their probes answered."""
        self.kubectl.wait(
            f"{count} pods of {app} to be Ready",
            lambda: sum(is_ready(pod) for pod in self.pods_of(app)) == count,
            timeout,
        )
        ready = [RunningPod.of(pod) for pod in self.pods_of(app) if is_ready(pod)]
        return sorted(ready, key=lambda pod: pod.name)

    def run_deployment(self, name: str, replicas: int, vfs: int = 0) -> list[RunningPod]:
        self.kubectl.apply(workloads.deployment(name, replicas, vfs))
        return self.await_ready(name, replicas)

    def restart(self, victims: tuple[str, ...]) -> None:
        """Kills these programs on both nodes, starts them, and waits until the nodes are Ready by
        the word of the kubelets that run now, which know again what their pods have."""
        holders = pods.holders_by_kubelet(self.cluster)
        for node in self.cluster.nodes.values():
            for victim in victims:
                node.kill_program(victim)
            for victim in sorted(victims, key=START_ORDER.index):
                node.start_program(victim)
                if victim == "containerd":
                    node.await_containerd()  # without it a kubelet ends at once
        self.kubectl.wait(
            "both nodes to be Ready",
            lambda: all(is_ready(node) for node in self.kubectl.items("nodes")),
            why_not=self.cluster.node_conditions,
        )
        for node in self.cluster.nodes.values():
            self._await_new_status(node.name)
        # A moment later than the status.
        self.kubectl.wait(
            "the kubelets to list what their pods have",
            lambda: holders <= pods.holders_by_kubelet(self.cluster),
        )

    def _await_new_status(self, name: str) -> None:
        """A node object tells of the kubelet's last days until the new one has written to it."""
        written = self._heartbeat(name)

        def rewritten() -> bool:
            self.cluster.nodes[name].require_running("kubelet")
            return self._heartbeat(name) != written

        self.kubectl.wait(f"the kubelet of {name} to write its node's status", rewritten)

    def _heartbeat(self, name: str) -> list[str]:
        conditions = self.kubectl.get("node", name)["status"]["conditions"]
        return [condition["lastHeartbeatTime"] for condition in conditions]

    def require_all_reach_all(self, everyone: list[RunningPod]) -> None:
        with ThreadPoolExecutor(4) as pool:
            wrong = pool.map(lambda pod: pods.ask_all(self.kubectl, pod, everyone), everyone)
        self.assertEqual([line for lines in wrong for line in lines], [])

    def require_both_nodes(self, everyone: list[RunningPod]) -> None:
        self.assertEqual({pod.node for pod in everyone}, set(self.cluster.nodes))

    def require_right_vf(self, everyone: list[RunningPod]) -> dict[str, str]:
        """Kubelet, kernel and engine agree on each pod's VF, and no two pods have the same.
        Pod key -> "node address"."""
        by_kubelet = pods.devices_by_kubelet(self.cluster)
        by_engine = pods.devices_by_engine(self.cluster)
        found = {}
        for pod in everyone:
            node, ids = by_kubelet.get(pod.key, ("none", []))
            self.assertEqual((node, len(ids)), (pod.node, 1), f"{pod.key}: {by_kubelet}")
            kernel = pods.device_by_kernel(self.cluster, self.kubectl, pod)
            self.assertEqual(kernel, ids[0], f"{pod.key}: the VF by the kernel, and by the kubelet")
            place = f"{pod.node} {ids[0]}"
            self.assertEqual(by_engine[place], f"{pod.key} eth0", f"{place} in the engine")
            found[pod.key] = place
        self.assertEqual(len(set(found.values())), len(everyone), found)
        return found

    def await_vfs_at_home(self) -> None:
        """Every VF is back on its node and nobody's in the engine."""
        self.kubectl.wait(
            "every VF to be back",
            lambda: not any(pods.devices_by_engine(self.cluster).values()),
            why_not=lambda: f"{pods.devices_by_engine(self.cluster)}",
        )
        self.cluster.await_allocatable(sluice.VFS)
