# SPDX-License-Identifier: Apache-2.0
"""Every way over a switch, tried one by one: what must work again after the engine was away."""

from __future__ import annotations

from typing import Callable

from lab.cast import Cast
from lab.cluster import OUTSIDE, PLAIN_PORT, Cluster
from lab.shell import LabError
from lab.traffic import Agent


def crossings(cluster: Cluster, cast: Cast) -> list[tuple[str, Callable[[], object]]]:
    """One of each way over a switch, each with a short patience."""

    def tcp(agent: Agent, address: str, port: int) -> Callable[[], object]:
        return lambda: agent.ask_tcp(address, port, timeout=1.5)

    vf, veth = cast.vf_client, cast.veth_client
    home = cluster.agents[cast.home.name]
    address = str(cast.home.spec.address)
    outside = cluster.agents[OUTSIDE]
    return [
        ("VF to VF, one node", tcp(vf.agent, cast.vf_neighbour.address, PLAIN_PORT)),
        ("VF to veth, one node", tcp(vf.agent, veth.address, PLAIN_PORT)),
        ("veth to veth, one node", tcp(veth.agent, cast.veth_neighbour.address, PLAIN_PORT)),
        ("VF to VF, across", tcp(vf.agent, cast.vf_away.address, PLAIN_PORT)),
        ("veth to veth, across", tcp(veth.agent, cast.veth_away.address, PLAIN_PORT)),
        ("pod to its node", tcp(vf.agent, address, PLAIN_PORT)),
        ("node to its pod", tcp(home, vf.address, PLAIN_PORT)),
        ("pod to ClusterIP", tcp(vf.agent, *cast.spread.vip)),
        ("node to ClusterIP", tcp(home, *cast.spread.vip)),
        ("outside to NodePort", tcp(outside, address, cast.spread.port.node_port)),
        ("pod to outside", tcp(veth.agent, cluster.outside_address, PLAIN_PORT)),
    ]


def works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except LabError:
        return False
    return True
