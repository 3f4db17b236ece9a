# SPDX-License-Identifier: Apache-2.0
"""Pods that ask for sluice.dev/vf, by way of the real scheduler and kubelet."""

from cluster import pods, sluice, workloads
from cluster.case import ClusterTest
from cluster.kubectl import is_ready
from cluster.pods import RunningPod


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

    def test_a_pod_with_two_vfs(self) -> None:
        single = self.run_deployment("web", 2, vfs=1)
        self.kubectl.apply(workloads.pod("two", vfs=2, node="n1"))
        two = self.await_ready("two", 1)[0]

        node, ids = pods.devices_by_kubelet(self.cluster)[two.key]
        self.assertEqual((node, len(set(ids))), ("n1", 2), ids)
        by_engine = pods.devices_by_engine(self.cluster)
        found = []
        for link in ("eth0", "net1"):
            device = pods.device_by_kernel(self.cluster, self.kubectl, two, link)
            self.assertEqual(by_engine.get(f"n1 {device}"), f"{two.key} {link}", by_engine)
            found.append(device)
        self.assertEqual(sorted(found), sorted(ids), "by the kernel, and by the kubelet")

        elsewhere = self.require_right_vf(single)
        self.assertFalse({f"n1 {device}" for device in ids} & set(elsewhere.values()))
        addresses = [self._address(two, link) for link in ("eth0", "net1")]
        self.assertEqual(addresses[0], two.address)
        self.assertEqual(len({*addresses, *(pod.address for pod in single)}), 4, addresses)
        self.require_all_reach_all([two, *single])
        self.kubectl.delete("deployments,pods", "--all")
        self.await_vfs_at_home()

    def _address(self, pod: RunningPod, link: str) -> str:
        words = self.kubectl.exec(pod.name, "ip", "-4", "-o", "address", "show", link).split()
        return words[words.index("inet") + 1].partition("/")[0]

    def test_a_successor_of_the_same_name_has_its_own_vf(self) -> None:
        neighbours = [self._run_on_n1(name) for name in ("left", "right")]
        places = self.require_right_vf(neighbours)
        self.kubectl.apply(workloads.stateful_set("web", vfs=1, node="n1"))
        web = self.await_ready("web", 1)[0]
        self.assertEqual(web.name, "web-0")
        forced = ("--grace-period=0", "--force", "--wait=false")
        # The forced ones begin while the last one's containers and VF are still there.
        for how in (("--wait=false",), forced, forced):
            with self.subTest(how=how):
                self.kubectl("delete", "pod", "web-0", *how)
                web = self._await_successor(web)
                everyone = [web, *neighbours]
                found = self.require_right_vf(everyone)
                self.assertEqual({pod.key: found[pod.key] for pod in neighbours}, places)
                self.require_all_reach_all(everyone)
        # The predecessors' VFs are free, and nobody's.
        self.kubectl.wait(
            "only the living to have VFs",
            lambda: self._in_use() == sorted(found.values()),
            why_not=lambda: f"in use: {self._in_use()}, living: {found}",
        )
        self.assertEqual(self.require_right_vf([web, *neighbours]), found)
        self.kubectl.delete("statefulsets,pods", "--all")
        self.await_vfs_at_home()

    def _run_on_n1(self, name: str) -> RunningPod:
        self.kubectl.apply(workloads.pod(name, vfs=1, node="n1"))
        return self.await_ready(name, 1)[0]

    def _await_successor(self, old: RunningPod) -> RunningPod:
        def ready() -> list[dict]:
            found = self.pods_of("web")
            return [p for p in found if is_ready(p) and p["metadata"]["uid"] != old.uid]

        found = self.kubectl.wait(f"a successor of {old.key} to be Ready", ready)
        assert isinstance(found, list)
        return RunningPod.of(found[0])

    def _in_use(self) -> list[str]:
        return sorted(place for place, pod in pods.devices_by_engine(self.cluster).items() if pod)

    def _pending(self, app: str) -> list[tuple[str, str]]:
        """Names of pods that are not scheduled, and the scheduler's message."""
        found = []
        for pod in self.pods_of(app):
            for condition in pod["status"].get("conditions") or []:
                if condition["type"] == "PodScheduled" and condition["status"] == "False":
                    found.append((pod["metadata"]["name"], condition.get("message", "")))
        return found
