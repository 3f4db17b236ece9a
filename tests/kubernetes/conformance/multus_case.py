# SPDX-License-Identifier: Apache-2.0
"""What every test of this lane is: pods with VFs by multus, and nothing left of them afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cluster import pods, sluice
from cluster.case import PODS_SECONDS, ClusterTest
from cluster.pods import RunningPod

import networks
import vfs

STATUS = "k8s.v1.cni.cncf.io/network-status"


@dataclass(frozen=True)
class Attached:
    """A pod's secondary interface, when everybody has told the same of it."""

    pod: RunningPod
    device: str
    address: str
    mac: str


class MultusTest(ClusterTest):
    def setUp(self) -> None:
        super().setUp()
        self.before = vfs.everything(self.cluster)

    # --- steps ------------------------------------------------------------------------------

    def make_network(self, name: str, configuration: dict) -> None:
        self.kubectl.apply(networks.attachment_definition(name, configuration))

    def run_pods(self, *documents: dict, timeout: float = PODS_SECONDS) -> list[RunningPod]:
        """In their order, all at once."""
        self.kubectl.apply(*documents)
        names = [document["metadata"]["name"] for document in documents]
        return [self.await_ready(name, 1, timeout)[0] for name in names]

    def require_attached(
        self, pod: RunningPod, network: str, link: str = "net1"
    ) -> Attached:
        """The kubelet, the kernel and multus agree: `eth0` is a veth of the cluster network, the
        link is the pod's one VF, and the annotation says what the link is like."""
        node, ids = pods.devices_by_kubelet(self.cluster).get(pod.key, ("none", []))
        self.assertEqual((node, len(ids)), (pod.node, 1), f"{pod.key} by the kubelet")
        return self.require_device_attached(pod, network, link, ids[0])

    def require_device_attached(
        self, pod: RunningPod, network: str, link: str, device: str
    ) -> Attached:
        self.assertEqual(self._device(pod, "eth0"), "", f"{pod.key}: eth0 is a VF")
        self.assertEqual(self._device(pod, link), device, f"{pod.key}: {link} by the kernel")
        shown = self._link(pod, link)
        self.assertEqual(shown["state"], "up", f"{pod.key}: {link}")

        eth0, told = self._status(pod, "eth0"), self._status(pod, link)
        self.assertEqual((eth0["name"], eth0["default"]), ("sluice", True))
        self.assertEqual(eth0["ips"], [pod.address])
        self.assertEqual(told["name"], f"{pod.namespace}/{network}")
        self.assertEqual(told["mac"], shown["mac"])
        self.assertEqual(told["ips"], [shown["address"].partition("/")[0]])
        information = told["device-info"]
        self.assertEqual(information["type"], "pci")
        self.assertEqual(information["pci"]["pci-address"], device)
        representor = f"rep{self._index(pod, device)}"
        self.assertEqual(information["pci"].get("representor-device"), representor)
        return Attached(pod, device, shown["address"], shown["mac"])

    def require_nothing_left(self) -> None:
        """After the pods are deleted: VFs at home as they were, no file, address, rule or link."""
        self.kubectl.wait(
            "nothing to be left of the pods",
            lambda: vfs.everything(self.cluster) == self.before,
            why_not=self._difference,
        )
        self.cluster.await_allocatable(sluice.VFS)

    # --- questions --------------------------------------------------------------------------

    def settings(self, attached: Attached) -> dict[str, str]:
        return vfs.settings(self.cluster.nodes[attached.pod.node])[attached.device]

    def _device(self, pod: RunningPod, link: str) -> str:
        return pods.device_by_kernel(self.cluster, self.kubectl, pod, link)

    def _index(self, pod: RunningPod, device: str) -> str:
        devices = self.cluster.nodes[pod.node].run_dir / "sluice/sysfs/bus/pci/devices"
        [found] = [one for one in devices.glob("*/virtfn*") if one.readlink().name == device]
        return found.name.removeprefix("virtfn")

    def _status(self, pod: RunningPod, link: str) -> dict:
        annotations = self.kubectl.get("pod", pod.name)["metadata"]["annotations"]
        statuses = json.loads(annotations[STATUS])
        [found] = [one for one in statuses if one["interface"] == link]
        return found

    def _link(self, pod: RunningPod, link: str) -> dict[str, str]:
        script = f"cd /sys/class/net/{link}; cat address operstate; ip -4 -o address show {link}"
        mac, state, addresses = self.kubectl.exec(pod.name, "sh", "-c", script).splitlines()
        words = addresses.split()
        return {
            "mac": mac,
            "state": state,
            "address": words[words.index("inet") + 1],
        }

    def _difference(self) -> str:
        now = vfs.everything(self.cluster)
        lines = []
        for name, before in self.before.items():
            lines += [f"    {name}: gone: {line}" for line in before if line not in now[name]]
            lines += [f"    {name}: left: {line}" for line in now[name] if line not in before]
        return "\n".join(lines)
