# SPDX-License-Identifier: Apache-2.0
"""A running pod as a test sees it, and what can be asked of it."""

from __future__ import annotations

from dataclasses import dataclass

from cluster import podresources, sluice, workloads
from cluster.cluster import Cluster
from cluster.kubectl import Kubectl
from lab.shell import LabError


@dataclass(frozen=True)
class RunningPod:
    name: str
    namespace: str
    uid: str
    node: str
    address: str
    restarts: int

    @staticmethod
    def of(document: dict) -> "RunningPod":
        metadata, status = document["metadata"], document["status"]
        restarts = sum(c["restartCount"] for c in status.get("containerStatuses", []))
        return RunningPod(
            metadata["name"], metadata["namespace"], metadata["uid"],
            document["spec"].get("nodeName", ""), status.get("podIP", ""), restarts,
        )  # fmt: skip

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


def ask_all(kubectl: Kubectl, source: RunningPod, targets: list[RunningPod]) -> list[str]:
    """HTTP from one pod to each by address: the right pod answers, and it sees the pod's own
    address. What went wrong, in words."""
    wanted = {pod.address: pod.name for pod in targets}
    get = f"printf 'GET %s HTTP/1.0\\r\\n\\r\\n' | nc -w 5 $a {workloads.PORT} | tail -n 1"
    script = "".join(
        f"a={address}; echo {address} "
        f"$({get.replace('%s', '/hostname')}) $({get.replace('%s', '/clientip')})\n"
        for address in wanted
    )
    told = {}
    for line in kubectl.exec(source.name, "sh", "-c", script, timeout=60.0).splitlines():
        address, *rest = line.split()
        told[address] = rest
    wrong = []
    for address, name in wanted.items():
        answer = told.get(address, [])
        if len(answer) != 2:
            wrong.append(f"{source.key} -> {name} ({address}): no answer")
        elif answer[0] != name:
            wrong.append(f"{source.key} -> {name} ({address}): {answer[0]} answered")
        elif answer[1].rsplit(":", 1)[0] != source.address and address != source.address:
            wrong.append(f"{source.key} ({source.address}) -> {name}: seen as {answer[1]}")
    return wrong


def devices_by_kubelet(cluster: Cluster) -> dict[str, tuple[str, list[str]]]:
    """Pod key -> (node, the VFs that its kubelet gave it)."""
    found = {}
    for node in cluster.nodes.values():
        for pod in podresources.list_pods(node.run_dir / "kubelet"):
            if ids := pod.devices.get(sluice.RESOURCE):
                found[f"{pod.namespace}/{pod.name}"] = (node.name, ids)
    return found


def holders_by_kubelet(cluster: Cluster) -> set[str]:
    """Keys of the pods that have a VF or a claim, as their kubelets tell."""
    return set(devices_by_kubelet(cluster)) | set(claims_by_kubelet(cluster))


def claims_by_kubelet(cluster: Cluster) -> dict[str, list[tuple[str, str, str, str]]]:
    """Pod key -> (claim, driver, pool, device) as its kubelet tells."""
    found = {}
    for node in cluster.nodes.values():
        for pod in podresources.list_pods(node.run_dir / "kubelet"):
            if pod.claims:
                found[f"{pod.namespace}/{pod.name}"] = pod.claims
    return found


def device_by_kernel(
    cluster: Cluster, kubectl: Kubectl, pod: RunningPod, link: str = "eth0"
) -> str:
    """The PCI address of the VF that a pod's link is, without asking any program of ours: the
    other end of its veth pair is representor N, and N leads to the address in the sysfs tree.
    Empty: the link is no VF."""
    peer = kubectl.exec(pod.name, "cat", f"/sys/class/net/{link}/iflink").strip()
    node = cluster.nodes[pod.node]
    links = node.run(
        "nsenter", f"--net={sluice.REPRESENTORS}", "ip", "-o", "link", "show", "type", "veth"
    ).stdout
    own = kubectl.exec(pod.name, "cat", f"/sys/class/net/{link}/ifindex").strip()
    for line in links.splitlines():
        index, name = line.split(":")[:2]
        name, _, other = name.strip().partition("@if")
        if index == peer and other == own and name.startswith("rep"):
            return _address_of_vf(node.run_dir / "sluice/sysfs", int(name.removeprefix("rep")))
    return ""


def _address_of_vf(sysfs, index: int) -> str:
    links = list((sysfs / "bus/pci/devices").glob(f"*/virtfn{index}"))
    if len(links) != 1:
        raise LabError(f"{sysfs}: VF {index} is there {len(links)} times")
    return links[0].readlink().name


def devices_by_engine(cluster: Cluster) -> dict[str, str]:
    """PCI address on its node ("n1 0000:5c:00.1") -> the pod that the engine has there."""
    found = {}
    for node in cluster.nodes.values():
        for port in node.ctl("ports")["ports"]:
            if port["name"].startswith("vf"):
                found[f"{node.name} {port['device']}"] = port["pod"]
    return found
