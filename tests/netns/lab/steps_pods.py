# SPDX-License-Identifier: Apache-2.0
"""Problems 1 and 2: container to container, pod to pod; and the node, which a pod may talk to."""

from __future__ import annotations

from lab.cast import Cast
from lab.cluster import PLAIN_PORT, Cluster
from lab.pod import Pod
from lab.report import Carrier, Step, expect
from lab.traffic import Agent, Answer

GATEWAY = "169.254.1.1"
BULK_BYTES = 16 << 20


def same_pod(cluster: Cluster, pod: Pod) -> str:
    """Two processes in one namespace: what two containers of a pod are."""
    container = pod.start_agent(cluster.owner.adopt)
    for address in ("127.0.0.1", "::1"):
        answer = container.ask_tcp(address, PLAIN_PORT)
        expect(answer.name == pod.key, f"{address} in {pod.key} is answered by {answer.name}")
        expect(answer.source_kept, f"{address} in {pod.key} sees {answer.peer}")
    return f"127.0.0.1 and ::1 in {pod.key} answer"


def require(answers: list[Answer], server: str, what: str) -> None:
    """The right one answers, and sees the client as the client sees itself."""
    for answer in answers:
        expect(answer.name == server, f"{what}: {answer.name} answers instead of {server}")
        expect(
            answer.source_kept,
            f"{what}: the server sees {answer.peer}, the client is {answer.local}",
        )


def pod_to_pod(client: Pod, server: Pod) -> str:
    what = f"{client.key} -> {server.key}"
    with client.agent.tcp(server.address, PLAIN_PORT) as connection:
        require(connection.ask(3), server.key, f"{what} by TCP")
    require(client.agent.ask_udp(server.address, PLAIN_PORT, 3), server.key, f"{what} by UDP")
    return f"{what}, TCP and UDP, address kept"


def bulk(client: Pod, server: Pod) -> str:
    speeds = []
    with client.agent.tcp(server.address, PLAIN_PORT) as connection:
        for seed, direction in ((1, "up"), (2, "down")):
            got = connection.bulk(direction, BULK_BYTES, seed)
            speeds.append(got["bytes"] * 8 / got["seconds"] / 1e6)
    size = f"{BULK_BYTES >> 20} MiB"
    return (
        f"{client.key} -> {server.key}: {size} each way, every byte equal "
        f"({speeds[0]:.0f} and {speeds[1]:.0f} Mbit/s)"
    )


def ping(agent: Agent, address: str, what: str) -> str:
    answered = agent.ping(address, 3)
    expect(answered == 3, f"{what} ({address}): {answered} of 3 answered")
    return f"{what} ({address}): 3 of 3"


def pod_to_node(cluster: Cluster, pod: Pod) -> str:
    for node in cluster.nodes.values():
        answer = pod.agent.ask_tcp(str(node.spec.address), PLAIN_PORT)
        require([answer], node.name, f"{pod.key} -> {node.name}")
    return f"{pod.key} -> {', '.join(cluster.nodes)} by their addresses, its own address kept"


def node_to_pod(cluster: Cluster, pod: Pod) -> str:
    """What a kubelet's probe does; and the same from every other node."""
    for node in cluster.nodes.values():
        expected = str(node.spec.pod_cidr[1])
        answer = cluster.agents[node.name].ask_tcp(pod.address, PLAIN_PORT)
        expect(answer.name == pod.key, f"{node.name} -> {pod.key}: {answer.name} answers")
        expect(
            answer.peer_address == expected,
            f"{node.name} -> {pod.key}: the pod sees {answer.peer_address}, not {expected}",
        )
    return f"{', '.join(cluster.nodes)} -> {pod.key}, seen as the node's pod-network address"


def pod_to_outside(cluster: Cluster, pod: Pod) -> str:
    node = cluster.node_of(pod)
    outside = cluster.outside_address
    answer = pod.agent.ask_tcp(outside, PLAIN_PORT)
    expect(answer.name == "outside", f"{pod.key} -> {outside}: {answer.name} answers")
    expect(
        answer.peer_address == str(node.spec.address),
        f"{pod.key} -> {outside}: seen as {answer.peer_address}, not as {node.spec.address}",
    )
    ping(pod.agent, outside, f"{pod.key} pings outside")
    return f"{pod.key} -> {outside}, seen there as {node.name}; ping too"


def steps(cluster: Cluster, cast: Cast) -> list[Step]:
    first, second = "container to container", "pod to pod"

    def pair(title: str, one: str, other: str) -> Step:
        # The parts are looked up when the step runs: a manifest without one fails that step only.
        return Step(
            second, title, lambda: pod_to_pod(getattr(cast, one), getattr(cast, other))
        )

    return [
        Step(
            first,
            "localhost in a pod with a VF",
            lambda: same_pod(cluster, cast.vf_client),
            Carrier.NOBODY,
        ),
        Step(
            first,
            "localhost in a pod without",
            lambda: same_pod(cluster, cast.veth_client),
            Carrier.NOBODY,
        ),
        pair("VF to VF, one node", "vf_client", "vf_neighbour"),
        pair("VF to veth, one node", "vf_client", "veth_client"),
        pair("veth to VF, one node", "veth_client", "vf_client"),
        pair("veth to veth, one node", "veth_client", "veth_neighbour"),
        pair("VF to VF, across", "vf_client", "vf_away"),
        pair("VF to VF, back across", "vf_away", "vf_client"),
        pair("veth to veth, across", "veth_client", "veth_away"),
        pair("veth to VF, back across", "veth_away", "vf_client"),
        Step(second, "bulk, one node", lambda: bulk(cast.vf_client, cast.veth_client)),
        Step(second, "bulk, across, VF to VF", lambda: bulk(cast.vf_client, cast.vf_away)),
        Step(second, "bulk, across, veth to veth", lambda: bulk(cast.veth_client, cast.veth_away)),
        Step(
            second,
            "ping, across",
            lambda: ping(cast.vf_client.agent, cast.veth_away.address, cast.veth_away.key),
        ),
        Step(
            second,
            "ping of the gateway",
            lambda: ping(cast.vf_client.agent, GATEWAY, "the gateway"),
            Carrier.ENGINE,
        ),
        Step(second, "pod to node", lambda: pod_to_node(cluster, cast.vf_client)),
        Step(second, "a probe from the node", lambda: node_to_pod(cluster, cast.vf_client)),
        Step(second, "pod to the world", lambda: pod_to_outside(cluster, cast.veth_client)),
    ]
