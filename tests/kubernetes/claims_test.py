# SPDX-License-Identifier: Apache-2.0
"""ResourceClaims (DRA): VFs and plain ports by the real scheduler and kubelet, beside the device
plugin's own way. Classes and templates are those of deploy/samples."""

from __future__ import annotations

import yaml

from cluster import ROOT, pods, sluice, workloads
from cluster.case import ClusterTest
from cluster.kubectl import is_ready
from cluster.pods import RunningPod

SAMPLES = ROOT / "deploy/samples/dra.yaml"
ONE_VF, VF_OR_PORT = "one-vf", "vf-or-port"
CLASSES = ("sluice-vf", "sluice-port")
DRIVER = "sluice.dev"


def samples(kind: str, names: tuple[str, ...]) -> list[dict]:
    documents = [d for d in yaml.safe_load_all(SAMPLES.read_text()) if d["kind"] == kind]
    found = [d for d in documents if d["metadata"]["name"] in names]
    assert len(found) == len(names), f"{SAMPLES} has no {kind} {names}"
    return found


class ClaimTest(ClusterTest):
    """`place`: "n1 0000:5c:00.1" for a VF, "n1 port-7" for a plain port."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster.kubectl.apply(*samples("DeviceClass", CLASSES))
        cls.addClassCleanup(cls.cluster.kubectl.delete, "deviceclass", *CLASSES)

    def setUp(self) -> None:
        self.addCleanup(self.await_nothing_given)  # when the pods are gone
        super().setUp()
        self.await_nothing_given()
        self.devices = self._devices_in_slices()
        self.kubectl.apply(*samples("ResourceClaimTemplate", (ONE_VF, VF_OR_PORT)))

    def run_pod(self, name: str, **options: object) -> RunningPod:
        self.kubectl.apply(workloads.pod(name, **options))
        return self.await_ready(name, 1)[0]

    # --- what there is ------------------------------------------------------------------------

    def vfs_in_slices(self) -> dict[str, set[str]]:
        """Node -> the PCI addresses that its slices offer."""
        found: dict[str, set[str]] = {name: set() for name in self.cluster.nodes}
        for piece in self.kubectl.items("resourceslices"):
            for device in piece["spec"].get("devices", []):
                told = device["attributes"]
                if told["kind"]["string"] == "vf":
                    found[piece["spec"]["nodeName"]].add(told["pciAddress"]["string"])
        return found

    def free_count(self) -> dict[str, tuple[int, int]]:
        """Node -> (allocatable by the device plugin's front, VFs in slices)."""
        allocatable, slices = self.cluster.allocatable(), self.vfs_in_slices()
        return {name: (allocatable[name], len(slices[name])) for name in self.cluster.nodes}

    def await_free_count(self, **wanted: tuple[int, int]) -> None:
        self.kubectl.wait(
            f"(allocatable, in slices) {wanted}",
            lambda: self.free_count() == wanted,
            why_not=lambda: f"it is {self.free_count()}",
        )

    def claim_files(self) -> list[str]:
        """The CDI files of claims."""
        return [
            f"{node.name} {path.name}"
            for node in self.cluster.nodes.values()
            for path in (node.run_dir / "cdi").iterdir()
            if "-claim-" in path.name
        ]

    def await_nothing_given(self) -> None:
        self.await_vfs_at_home()
        whole = (sluice.VFS, sluice.VFS)
        self.await_free_count(**{name: whole for name in self.cluster.nodes})
        self.kubectl.wait(
            "no CDI file of a claim to be left",
            lambda: not self.claim_files(),
            why_not=lambda: f"there are {self.claim_files()}",
        )

    # --- who has what -------------------------------------------------------------------------

    def require_right_claims(self, everyone: list[RunningPod]) -> dict[str, str]:
        """Claim, kubelet, kernel, engine and the container's variable agree on what each pod has,
        and no two pods have the same. Pod key -> place."""
        by_claim = self._devices_by_claim()
        by_kubelet = pods.claims_by_kubelet(self.cluster)
        by_engine = pods.devices_by_engine(self.cluster)
        found = {}
        for pod in everyone:
            claim, device = by_claim[pod.key]
            place = f"{pod.node} {device}"
            pool, name = pod.node, device.replace(":", "-").replace(".", "-")
            if is_port(place):
                pool += "-ports"
            told = by_kubelet.get(pod.key)
            self.assertEqual(told, [(claim, DRIVER, pool, name)], f"{pod.key}: by its kubelet")
            kernel = pods.device_by_kernel(self.cluster, self.kubectl, pod)
            self.assertEqual(kernel, "" if is_port(place) else device, f"{pod.key}: eth0")
            if not is_port(place):
                self.assertEqual(by_engine[place], f"{pod.key} eth0", f"{place} in the engine")
            variable = self.kubectl.exec(pod.name, "sh", "-c", "echo $SLUICE_REQUEST_NET").strip()
            self.assertEqual(variable, device, f"{pod.key}: SLUICE_REQUEST_NET")
            found[pod.key] = place
        self.assertEqual(len(set(found.values())), len(everyone), found)
        return found

    def _devices_in_slices(self) -> dict[tuple[str, str], str]:
        """(pool, device) -> its PCI address, or for a plain port its name."""
        found = {}
        for piece in self.kubectl.items("resourceslices"):
            pool = piece["spec"]["pool"]["name"]
            for device in piece["spec"].get("devices", []):
                address = device["attributes"].get("pciAddress", {}).get("string")
                found[pool, device["name"]] = address or device["name"]
        return found

    def _devices_by_claim(self) -> dict[str, tuple[str, str]]:
        """Pod key -> (its claim, what the scheduler allocated: a PCI address or a port's name)."""
        found = {}
        for claim in self.kubectl.items("resourceclaims"):
            results = claim["status"].get("allocation", {}).get("devices", {}).get("results", [])
            for user in claim["status"].get("reservedFor", []):
                self.assertEqual(len(results), 1, f"{claim['metadata']['name']}: {results}")
                self.assertEqual(results[0]["driver"], DRIVER)
                device = self.devices[results[0]["pool"], results[0]["device"]]
                found[f"{self.namespace}/{user['name']}"] = (claim["metadata"]["name"], device)
        return found


def is_port(place: str) -> bool:
    return place.split()[1].startswith("port-")


class Claims(ClaimTest):
    def test_a_vf_by_claim(self) -> None:
        self.kubectl.apply(
            workloads.deployment("web", 4, template=ONE_VF),
            workloads.deployment("plain", 2),
            workloads.pod("resource", vfs=1),
        )
        everyone = self.await_ready("web", 4)
        beside = self.await_ready("plain", 2) + self.await_ready("resource", 1)
        self.require_both_nodes(everyone)
        places = self.require_right_claims(everyone)
        self.assertFalse([place for place in places.values() if is_port(place)])
        self.assertTrue(set(self.require_right_vf(beside[2:]).values()).isdisjoint(places.values()))
        self.require_all_reach_all(everyone + beside)

    def test_a_vf_if_there_is_one_else_a_port(self) -> None:
        # All on n1; one VF is left there.
        first = self.run_pod("hoarder", vfs=sluice.VFS - 1, node="n1")
        self.await_free_count(n1=(sluice.VFS, 1), n2=(sluice.VFS, sluice.VFS))
        self.kubectl.apply(workloads.deployment("web", 3, node="n1", template=VF_OR_PORT))
        web = self.await_ready("web", 3)
        places = self.require_right_claims(web)
        self.assertEqual(sorted(is_port(place) for place in places.values()), [False, True, True])
        self.require_all_reach_all([first, *web])

        self.kubectl.delete("pod", "hoarder")
        self.await_free_count(n1=(sluice.VFS - 1, sluice.VFS), n2=(sluice.VFS, sluice.VFS))
        last = self.run_pod("last", node="n1", template=VF_OR_PORT)
        everyone = self.require_right_claims([*web, last])
        self.assertFalse(is_port(everyone.pop(last.key)), "VFs are free, and it has a port")
        self.assertEqual(everyone, places)
        self.require_all_reach_all([last, *web])


class Exclusion(ClaimTest):
    def test_what_one_front_gave_the_other_has_not(self) -> None:
        whole = (sluice.VFS, sluice.VFS)
        claimed = self.run_pod("claimed", node="n1", template=ONE_VF)
        self.await_free_count(n1=(sluice.VFS - 1, sluice.VFS), n2=whole)
        plugged = self.run_pod("plugged", vfs=1, node="n1")
        self.await_free_count(n1=(sluice.VFS - 1, sluice.VFS - 1), n2=whole)
        claim_place = self.require_right_claims([claimed])[claimed.key]
        plugin_place = self.require_right_vf([plugged])[plugged.key]
        self.assertNotEqual(claim_place, plugin_place)
        self.assertNotIn(plugin_place.split()[1], self.vfs_in_slices()["n1"])

        self.kubectl.delete("pod", "claimed")
        self.await_free_count(n1=(sluice.VFS, sluice.VFS - 1), n2=whole)
        self.kubectl.delete("pod", "plugged")
        self.await_free_count(n1=whole, n2=whole)

    def test_both_ways_at_once_for_the_last_vfs(self) -> None:
        # Three VFs are left on n1, and each way has pods for all of them.
        left = 3
        hoarder = self.run_pod("hoarder", vfs=sluice.VFS - left, node="n1")
        self.kubectl.apply(
            workloads.deployment("claimed", left, node="n1", template=ONE_VF),
            workloads.deployment("plugged", left, vfs=1, node="n1"),
        )
        self._await_running(left)
        self._require_own_vfs(hoarder)

        # Those that wait for a claim's VF get it when the others end, whoever was first.
        self._scale("plugged", 0)
        claimed = self.await_ready("claimed", left)
        self.require_right_claims(claimed)
        self._scale("plugged", left)
        self.kubectl.wait("a pod to wait for a VF", self._somebody_waits)
        self.kubectl.delete("pod", hoarder.name)
        plugged = self.await_ready("plugged", left)
        self._require_own_vfs()
        self.require_all_reach_all(claimed[:1] + plugged)

    def _ready(self, app: str) -> list[RunningPod]:
        return [RunningPod.of(pod) for pod in self.pods_of(app) if is_ready(pod)]

    def _await_running(self, count: int) -> None:
        self.kubectl.wait(
            f"{count} pods of both ways to be Ready",
            lambda: len(self._ready("claimed")) + len(self._ready("plugged")) == count,
        )

    def _require_own_vfs(self, hoarder: RunningPod | None = None) -> None:
        """No VF is two pods', counted by the pods' own interfaces."""
        claims = self.require_right_claims(self._ready("claimed"))
        plugin = self.require_right_vf(self._ready("plugged"))
        places = [*claims.values(), *plugin.values()]
        if hoarder is not None:
            node, ids = pods.devices_by_kubelet(self.cluster)[hoarder.key]
            places += [f"{node} {address}" for address in ids]
        self.assertEqual(len(set(places)), len(places), places)

    def _scale(self, name: str, replicas: int) -> None:
        self.kubectl("scale", "deployment", name, f"--replicas={replicas}")

    def _somebody_waits(self) -> bool:
        return any(
            f"Insufficient {sluice.RESOURCE}" in condition.get("message", "")
            for pod in self.pods_of("plugged")
            for condition in pod["status"].get("conditions") or []
        )


class ClaimsSurvive(ClaimTest):
    def test_plugin_and_kubelet_killed_under_claims(self) -> None:
        self.kubectl.apply(
            workloads.deployment("web", 4, template=ONE_VF),
            workloads.pod("port", node="n1", template=VF_OR_PORT),
            workloads.pod("plugged", vfs=1, node="n2"),
        )
        web = self.await_ready("web", 4)
        others = self.await_ready("port", 1) + self.await_ready("plugged", 1)
        self.require_both_nodes(web)
        places = self.require_right_claims([*web, others[0]])
        files = self.claim_files()
        self.assertEqual(len(files), len(places), files)
        count = self.free_count()

        def require_unchanged() -> None:
            self.assertEqual(self.await_ready("web", 4), web)
            self.assertEqual(self.require_right_claims([*web, others[0]]), places)
            self.require_right_vf(others[1:])
            self.assertEqual(self.claim_files(), files)

        for node in self.cluster.nodes.values():
            node.restart_program("sluice-device-plugin")
        require_unchanged()
        self.restart(("sluice-device-plugin", "kubelet"))
        require_unchanged()
        self.await_free_count(**count)

        # What is left can be had, and it is what nobody has.
        free = count["n1"][0]
        rest = self.run_pod("rest", vfs=free, node="n1")
        mine = {f"n1 {address}" for address in pods.devices_by_kubelet(self.cluster)[rest.key][1]}
        self.assertEqual(len(mine), free)
        self.assertTrue(mine.isdisjoint(places.values()), (mine, places))
        self.require_all_reach_all([*web, *others, rest])

    def test_a_claim_that_ends_while_the_plugin_is_away(self) -> None:
        node = self.cluster.nodes["n1"]
        self.run_pod("first", node=node.name, template=ONE_VF)
        node.kill_program("sluice-device-plugin")
        try:
            self.kubectl("delete", "pod", "first", "--wait=false")
            self.kubectl.wait("its containers to end", lambda: not node.tasks())
        finally:
            node.start_program("sluice-device-plugin")
        self.kubectl.delete("pod", "first")
        self.await_nothing_given()
        second = self.run_pod("second", node=node.name, template=ONE_VF)
        self.require_right_claims([second])
