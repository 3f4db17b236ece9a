# SPDX-License-Identifier: Apache-2.0
"""Who plays which part: chosen from the manifest by what the parts need, not by names, so that a
reader may change the sample and see what happens. A part that nobody can play fails its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from lab.cluster import Cluster
from lab.manifest import EndpointAt, ServicePortSpec, ServiceSpec, endpoints_of
from lab.node import Node
from lab.pod import Pod
from lab.report import Failed


@dataclass(frozen=True)
class ServiceUse:
    """One port of a service, with the endpoints that it has now."""

    service: ServiceSpec
    port: ServicePortSpec
    endpoints: tuple[EndpointAt, ...]

    @property
    def vip(self) -> tuple[str, int]:
        return self.service.cluster_ip, self.port.port

    @property
    def names(self) -> set[str]:
        return {endpoint.pod.key for endpoint in self.endpoints}

    def names_on(self, node: Node) -> set[str]:
        return {e.pod.key for e in self.endpoints if e.pod.node == node.name}

    @property
    def nodes(self) -> set[str]:
        return {endpoint.pod.node for endpoint in self.endpoints}


class Cast:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    # --- pods -------------------------------------------------------------------------------

    def _pod(self, what: str, fits: Callable[[Pod], bool]) -> Pod:
        for pod in self.cluster.pods.values():
            if not pod.spec.host_network and fits(pod):
                return pod
        waiting = "".join(f"; {key} waits: {why}" for key, why in self.cluster.pending.items())
        raise Failed(f"the manifest has no running {what}{waiting}")

    def _serves(self, pod: Pod) -> bool:
        return any(service.selects(pod.spec) for service in self.cluster.manifest.services)

    @property
    def home(self) -> Node:
        return next(iter(self.cluster.nodes.values()))

    @property
    def away(self) -> Node:
        nodes = list(self.cluster.nodes.values())
        if len(nodes) < 2:
            raise Failed("the manifest has one Node only")
        return nodes[1]

    @property
    def vf_client(self) -> Pod:
        return self._pod(
            f"pod with a VF on {self.home.name} that serves nothing",
            lambda pod: pod.on_vf and pod.node is self.home and not self._serves(pod),
        )

    @property
    def veth_client(self) -> Pod:
        return self._pod(
            f"pod without a VF on {self.home.name} that serves nothing",
            lambda pod: not pod.on_vf and pod.node is self.home and not self._serves(pod),
        )

    @property
    def vf_neighbour(self) -> Pod:
        client = self.vf_client
        return self._pod(
            f"second pod with a VF on {self.home.name}",
            lambda pod: pod.on_vf and pod.node is self.home and pod is not client,
        )

    @property
    def veth_neighbour(self) -> Pod:
        client = self.veth_client
        return self._pod(
            f"second pod without a VF on {self.home.name}",
            lambda pod: not pod.on_vf and pod.node is self.home and pod is not client,
        )

    @property
    def vf_away(self) -> Pod:
        return self._pod(
            f"pod with a VF on {self.away.name}", lambda pod: pod.on_vf and pod.node is self.away
        )

    @property
    def veth_away(self) -> Pod:
        return self._pod(
            f"pod without a VF on {self.away.name}",
            lambda pod: not pod.on_vf and pod.node is self.away,
        )

    # --- services ---------------------------------------------------------------------------

    def uses(self) -> list[ServiceUse]:
        specs = [pod.spec for pod in self.cluster.pods.values()]
        addresses = self.cluster.addresses()
        return [
            ServiceUse(service, port, tuple(endpoints_of(service, port, addresses, specs)))
            for service in self.cluster.manifest.services
            for port in service.ports
            if service.cluster_ip not in ("", "None")
        ]

    def _service(self, what: str, fits: Callable[[ServiceUse], bool]) -> ServiceUse:
        for use in self.uses():
            if fits(use):
                return use
        raise Failed(f"the manifest has no Service {what}")

    @property
    def spread(self) -> ServiceUse:
        return self._service(
            "with TCP endpoints on two nodes, a nodePort and externalTrafficPolicy Cluster",
            lambda use: use.port.proto == "tcp"
            and len(use.nodes) > 1
            and use.port.node_port > 0
            and use.service.external_policy == "Cluster",
        )

    @property
    def local(self) -> ServiceUse:
        return self._service(
            "with TCP endpoints, a nodePort and externalTrafficPolicy Local",
            lambda use: use.port.proto == "tcp"
            and bool(use.endpoints)
            and use.port.node_port > 0
            and use.service.external_policy == "Local",
        )

    @property
    def away_only(self) -> ServiceUse:
        return self._service(
            f"whose TCP endpoints are all on {self.away.name}",
            lambda use: use.port.proto == "tcp" and use.nodes == {self.away.name},
        )

    @property
    def udp(self) -> ServiceUse:
        return self._service(
            "with UDP endpoints", lambda use: use.port.proto == "udp" and bool(use.endpoints)
        )

    @property
    def empty(self) -> ServiceUse:
        return self._service(
            "without endpoints", lambda use: use.port.proto == "tcp" and not use.endpoints
        )
