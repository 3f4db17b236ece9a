# SPDX-License-Identifier: Apache-2.0
"""Sluice twice in a pod: its veth as cluster network, and by multus a plain VF with an address of a
pool."""

import ipaddress
import json

from cluster import pods, workloads
from cluster.kubectl import is_ready
from cluster.node import Node
from cluster.pods import RunningPod

import networks
from multus_case import MultusTest

SUBNET = "10.56.0.0/24"
NETWORK = "storage"
LATER_SECONDS = 120.0


class PoolNetwork(MultusTest):
    def setUp(self) -> None:
        super().setUp()
        self.make_network(NETWORK, networks.ours(SUBNET))

    def test_a_veth_and_a_vf(self) -> None:
        [plain] = self.run_pods(workloads.pod("plain"))
        everyone = self.run_pods(*(networks.pod(name, NETWORK) for name in ("one", "two")))
        found = [self.require_attached(pod, NETWORK) for pod in everyone]
        self.assertEqual(len({one.device for one in found}), 2)
        self.assertEqual(len({one.address for one in found}), 2)
        for one in found:
            address = ipaddress.ip_interface(one.address)
            self.assertEqual(address.network, ipaddress.ip_network(SUBNET))
            self.assertEqual(self.settings(one), {}, "nothing was asked of the PF")
        # The engine knows the veths alone; they reach each other with a VF beside them, too.
        self.assertFalse(any(pods.devices_by_engine(self.cluster).values()))
        self.require_all_reach_all([plain, *everyone])
        self.kubectl.delete("pods", "--all")
        self.require_nothing_left()

    def test_old_versions(self) -> None:
        # The secondary network has a CNI version of its own, whatever the cluster network's is.
        for version in ("0.3.1", "1.0.0"):
            with self.subTest(version=version):
                name = f"v{version.replace('.', '-')}"
                self.make_network(name, networks.ours(SUBNET, version))
                [pod] = self.run_pods(networks.pod(name, name))
                self.require_attached(pod, name)
                self.kubectl.delete("pod", name)
        self.require_nothing_left()

    def test_mac_address_and_name_of_the_pod_s_choice(self) -> None:
        wish = {"mac": "02:00:00:00:56:63", "ips": ["10.56.0.99/24"], "interface": "fast0"}
        document = networks.pod("choosy", {"name": NETWORK, **wish})
        [pod] = self.run_pods(document)
        found = self.require_attached(pod, NETWORK, "fast0")
        self.assertEqual((found.mac, found.address), (wish["mac"], wish["ips"][0]))
        self.assertEqual(self.settings(found), {"admin_mac": wish["mac"]})
        self.kubectl.delete("pod", "choosy")
        self.require_nothing_left()

    def test_two_vfs_of_two_networks(self) -> None:
        self.make_network("backup", networks.ours("10.59.0.0/24"))
        [pod] = self.run_pods(networks.pod("two", NETWORK, "backup"))
        _, ids = pods.devices_by_kubelet(self.cluster)[pod.key]
        # multus gives them out in the order of their names.
        first = self.require_device_attached(pod, NETWORK, "net1", min(ids))
        second = self.require_device_attached(pod, "backup", "net2", max(ids))
        self.assertNotEqual(first.device, second.device)
        self.assertTrue(second.address.startswith("10.59.0."), second.address)
        self.kubectl.delete("pod", "two")
        self.require_nothing_left()

    def test_a_network_without_a_device_is_refused(self) -> None:
        # The pod asks for no VF, so multus has none to hand over: a clear event, and no veth.
        document = networks.on_networks(workloads.pod("poor", node="n1"), NETWORK)
        self.kubectl.apply(document)
        said = "deviceID is missing"
        self.kubectl.wait(f"an event with '{said}'", lambda: said in self._events("poor"))
        self.assertFalse(any(is_ready(pod) for pod in self.pods_of("poor")))
        self.kubectl.delete("pod", "poor")
        self.require_nothing_left()

    def test_a_refusal_of_the_second_interface_undoes_the_first(self) -> None:
        # With the engine only addresses of the node's block are served. The cluster network is
        # attached by then.
        configuration = networks.ours(SUBNET)
        for key in ("offload", *networks.SIMULATED_NIC):
            del configuration[key]
        self.make_network("fast", configuration)
        self.kubectl.apply(networks.pod("refused", "fast"))
        said = "the offload engine takes no other addresses"
        self.kubectl.wait(f"an event with '{said}'", lambda: said in self._events("refused"))
        self.kubectl.delete("pod", "refused")
        self.require_nothing_left()

    def test_a_successor_gets_the_vf_of_a_pod_deleted_by_force(self) -> None:
        # The forced pod's containers and its VF are still there when the next one begins, which
        # needs one of all VFs: it waits, and nobody has a VF twice.
        self.kubectl.apply(networks.on_networks(workloads.deployment("all", 8, 1, "n1"), NETWORK))
        first = self.await_ready("all", 8, LATER_SECONDS)
        self._require_all_different(first)
        victims = [pod.name for pod in first[:3]]
        self.kubectl("delete", "pod", *victims, "--grace-period=0", "--force", "--wait=false")
        gone = {pod.uid for pod in first[:3]}
        self.kubectl.wait(
            "successors of what was deleted",
            lambda: len([p for p in self.pods_of("all") if self._lives(p, gone)]) == 8,
            LATER_SECONDS,
        )
        self._require_all_different(self.await_ready("all", 8))
        self.kubectl.delete("deployment", "all")
        self.kubectl.delete("pods", "--all", "--grace-period=0", "--force")
        self.require_nothing_left()

    def test_a_sandbox_that_dies_is_made_again_with_the_same_vf(self) -> None:
        [pod] = self.run_pods(networks.pod("victim", NETWORK))
        before = self.require_attached(pod, NETWORK)
        node = self.cluster.nodes["n1"]
        sandbox = self._sandbox(pod)
        node.ctr("tasks", "kill", "--signal", "KILL", sandbox)
        self.kubectl.wait(
            "another sandbox, with its container Ready",
            lambda: self._sandbox(pod) not in ("", sandbox)
            and any(is_ready(one) for one in self.pods_of("victim")),
        )
        [pod] = self.await_ready("victim", 1)
        after = self.require_attached(pod, NETWORK)
        self.assertEqual(after.device, before.device)
        self.kubectl.delete("pod", "victim")
        self.require_nothing_left()

    # --- questions --------------------------------------------------------------------------

    def _require_all_different(self, everyone: list[RunningPod]) -> None:
        found = [self.require_attached(pod, NETWORK) for pod in everyone]
        self.assertEqual(len({one.device for one in found}), len(everyone))
        self.assertEqual(len({one.address for one in found}), len(everyone))

    def _lives(self, document: dict, gone: set[str]) -> bool:
        return is_ready(document) and document["metadata"]["uid"] not in gone

    def _events(self, pod: str) -> str:
        selector = f"--field-selector=involvedObject.name={pod}"
        return self.kubectl("get", "events", selector, "-o", "jsonpath={.items[*].message}")

    def _sandbox(self, pod: RunningPod) -> str:
        """Its pause container that runs, by the labels that the kubelet has given it."""
        node = self.cluster.nodes[pod.node]
        for container in self._running(node):
            labels = json.loads(node.ctr("containers", "info", container))["Labels"]
            kind = labels.get("io.cri-containerd.kind")
            if kind == "sandbox" and labels.get("io.kubernetes.pod.uid") == pod.uid:
                return container
        return ""

    def _running(self, node: Node) -> list[str]:
        lines = node.ctr("tasks", "list").splitlines()[1:]
        return [line.split()[0] for line in lines if line.split()[2] == "RUNNING"]
