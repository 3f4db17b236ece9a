# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes side that the lab plays: it reads the manifest and writes the EndpointSlices.

The engine reads the manifest strictly and says what is wrong with it; here only what the lab itself
uses is looked at. The watched copy is the manifest's own text, byte for byte, and behind it the
slices as the endpoints controller would write them: from the selectors, and from the addresses
that ADD returned.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Mapping

import yaml

from lab.shell import LabError

VF_RESOURCE = "sluice.dev/vf"
# A node's name is its namespace's and, on the wire, its interface's: these are taken there.
RESERVED_NAMES = ("wire", "outside", "br0", "lo")


@dataclass(frozen=True)
class NodeSpec:
    name: str
    address: ipaddress.IPv4Address
    pod_cidr: ipaddress.IPv4Network


@dataclass(frozen=True)
class PodSpec:
    namespace: str
    name: str
    node: str
    labels: Mapping[str, str] = field(hash=False)
    vfs: int = 0
    host_network: bool = False
    # (protocol, number, name)
    ports: tuple[tuple[str, int, str], ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class ServicePortSpec:
    name: str
    proto: str  # "tcp", "udp"
    port: int
    target: int | str
    node_port: int


@dataclass(frozen=True)
class ServiceSpec:
    namespace: str
    name: str
    cluster_ip: str
    selector: Mapping[str, str] = field(hash=False)
    external_policy: str = "Cluster"
    ports: tuple[ServicePortSpec, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    def selects(self, pod: PodSpec) -> bool:
        return (
            bool(self.selector)
            and pod.namespace == self.namespace
            and all(pod.labels.get(key) == value for key, value in self.selector.items())
        )


@dataclass
class Manifest:
    text: str
    nodes: list[NodeSpec]
    pods: list[PodSpec]
    services: list[ServiceSpec]

    def node(self, name: str) -> NodeSpec:
        return next(node for node in self.nodes if node.name == name)


def read_manifest(path: Path) -> Manifest:
    try:
        text = path.read_text()
        documents = list(yaml.safe_load_all(text))
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LabError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    manifest = Manifest(text, [], [], [])
    for number, document in enumerate(_flatten(documents), start=1):
        what = f"{path}: document {number}"
        if not isinstance(document, dict):
            raise LabError(f"{what} is no Kubernetes object (a mapping with kind and metadata)")
        try:
            _take(manifest, document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            metadata = document.get("metadata")
            name = metadata.get("name", "") if isinstance(metadata, dict) else ""
            kind = document.get("kind", "object without kind")
            reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
            raise LabError(f"{what} ({kind} {name}): {reason}") from error
    _check(manifest, path)
    return manifest


def _flatten(documents: Iterable[object]) -> Iterable[object]:
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "List":
            yield from document.get("items") or []
        elif document is not None:
            yield document


def _take(manifest: Manifest, document: dict) -> None:
    kind, metadata = document["kind"], document["metadata"]
    spec = document.get("spec") or {}
    if kind == "Node":
        addresses = document["status"]["addresses"]
        internal = [entry["address"] for entry in addresses if entry["type"] == "InternalIP"]
        if not internal:
            raise ValueError("status.addresses has no InternalIP")
        manifest.nodes.append(
            NodeSpec(
                metadata["name"],
                ipaddress.IPv4Address(internal[0]),
                ipaddress.IPv4Network(spec["podCIDR"]),
            )
        )
    elif kind == "Pod":
        manifest.pods.append(_pod(metadata, spec))
    elif kind == "Service":
        manifest.services.append(_service(metadata, spec))


def _pod(metadata: dict, spec: dict) -> PodSpec:
    vfs, ports = 0, []
    for container in spec["containers"]:
        limits = (container.get("resources") or {}).get("limits") or {}
        vfs += int(limits.get(VF_RESOURCE, 0))
        for port in container.get("ports") or []:
            proto = port.get("protocol", "TCP").lower()
            ports.append((proto, int(port["containerPort"]), port.get("name", "")))
    return PodSpec(
        metadata.get("namespace", "default"),
        metadata["name"],
        spec["nodeName"],
        dict(metadata.get("labels") or {}),
        vfs,
        bool(spec.get("hostNetwork", False)),
        tuple(ports),
    )


def _service(metadata: dict, spec: dict) -> ServiceSpec:
    ports = tuple(
        ServicePortSpec(
            port.get("name", ""),
            port.get("protocol", "TCP").lower(),
            int(port["port"]),
            port.get("targetPort", port["port"]),
            int(port.get("nodePort", 0)),
        )
        for port in spec.get("ports") or []
    )
    return ServiceSpec(
        metadata.get("namespace", "default"),
        metadata["name"],
        str(spec.get("clusterIP", "")),
        dict(spec.get("selector") or {}),
        spec.get("externalTrafficPolicy", "Cluster"),
        ports,
    )


def _check(manifest: Manifest, path: Path) -> None:
    if not manifest.nodes:
        raise LabError(f"{path} has no Node")
    names = {node.name for node in manifest.nodes}
    if len(names) < len(manifest.nodes):
        counted = Counter(node.name for node in manifest.nodes)
        raise LabError(f"{path}: Node {counted.most_common(1)[0][0]} is there twice")
    for node in manifest.nodes:
        if len(node.name) > 15 or node.name in RESERVED_NAMES:
            raise LabError(
                f"{path}: Node {node.name}: the lab takes names of up to 15 characters that are "
                f"none of {', '.join(RESERVED_NAMES)}"
            )
        if f"{node.name}-rep" in names:
            raise LabError(
                f"{path}: Node {node.name}-rep: so the lab calls a namespace of Node {node.name}"
            )
    seen: set[str] = set()
    for pod in manifest.pods:
        if pod.node not in names:
            raise LabError(
                f"{path}: Pod {pod.key}: spec.nodeName {pod.node!r} is none of {sorted(names)}"
            )
        if pod.key in seen:
            raise LabError(f"{path}: Pod {pod.key} is there twice")
        seen.add(pod.key)


def target_port(port: ServicePortSpec, pod: PodSpec) -> int | None:
    """A named target may be another number in every pod; None: this pod doesn't have it."""
    if isinstance(port.target, int):
        return port.target
    for proto, number, name in pod.ports:
        if name == port.target and proto == port.proto:
            return number
    return None


@dataclass(frozen=True)
class EndpointAt:
    pod: PodSpec
    address: str
    port: int


def endpoints_of(
    service: ServiceSpec, port: ServicePortSpec, addresses: Mapping[str, str], pods: list[PodSpec]
) -> list[EndpointAt]:
    """`addresses`: pod key -> address, of the pods that run."""
    found = []
    for pod in pods:
        number = target_port(port, pod)
        if service.selects(pod) and pod.key in addresses and number is not None:
            found.append(EndpointAt(pod, addresses[pod.key], number))
    return found


def endpoint_slices(manifest: Manifest, addresses: Mapping[str, str]) -> list[dict]:
    """One slice for each service and set of target ports, as kube-controller-manager makes them."""
    slices = []
    for service in manifest.services:
        if not service.selector:
            continue
        groups: dict[tuple, list[dict]] = {}
        for pod in manifest.pods:
            if not service.selects(pod) or pod.key not in addresses:
                continue
            targets = tuple((port, target_port(port, pod)) for port in service.ports)
            ports = tuple((p.name, p.proto.upper(), number) for p, number in targets if number)
            groups.setdefault(ports, []).append({
                "addresses": [addresses[pod.key]],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": pod.node,
                "targetRef": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name},
            })  # fmt: skip
        for ports, endpoints in groups.items():
            suffix = hashlib.sha256(repr(ports).encode()).hexdigest()[:5]
            slices.append({
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{service.name}-{suffix}",
                    "namespace": service.namespace,
                    "labels": {"kubernetes.io/service-name": service.name},
                },
                "addressType": "IPv4",
                "ports": [
                    {"name": name, "protocol": proto, "port": number}
                    for name, proto, number in ports
                ],
                "endpoints": endpoints,
            })  # fmt: skip
    return slices


def write_watched_copy(target: Path, text: str, slices: list[dict]) -> None:
    """By rename: the engine never reads half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    pieces = [text.rstrip("\n") + "\n"]
    pieces += ["---\n" + yaml.safe_dump(piece, sort_keys=False) for piece in slices]
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    fresh.write_text("".join(pieces))
    fresh.rename(target)
