# SPDX-License-Identifier: Apache-2.0
"""Problems 3 and 4: pod to service, external to service."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack

from lab import evidence
from lab.cast import Cast, ServiceUse
from lab.cluster import OUTSIDE, Cluster
from lab.pod import Pod
from lab.report import Carrier, Failed, Step, expect
from lab.steps_pods import GATEWAY
from lab.traffic import Agent, Answer, Connection, TrafficError

# Backends are chosen by a hash of the five-tuple, the client's port is the kernel's choice: that
# one of three gets none of 40 connections happens once in four million runs.
CONNECTIONS = 40
LARGE_DATAGRAM = 4000  # bytes: three fragments
STREAM_BYTES = 32 << 20
PROMOTED_SHARE = 0.95


def fan(agent: Agent, address: str, port: int, count: int = CONNECTIONS) -> list[Answer]:
    """Opens them all, asks each again while the others are open: the answers' first of each."""
    firsts: list[Answer] = []
    with ExitStack() as stack:
        open_ones: list[Connection] = []
        for _ in range(count):
            open_ones.append(stack.enter_context(agent.tcp(address, port)))
            firsts.append(open_ones[-1].ask()[0])
        for first, connection in zip(firsts, open_ones):
            for later in connection.ask(2):
                expect(
                    later == first,
                    f"{connection.local} -> {address}:{port} went from {first} to {later}",
                )
    return firsts


def spread_text(answers: list[Answer]) -> str:
    counts = Counter(answer.name for answer in answers)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def require_spread(answers: list[Answer], names: set[str], what: str) -> None:
    seen = {answer.name for answer in answers}
    expect(seen == names, f"{what}: answered by {sorted(seen)}, not by all of {sorted(names)}")


def cluster_ip(client: Pod, use: ServiceUse) -> str:
    answers = fan(client.agent, *use.vip)
    what = f"{client.key} -> {use.service.key}"
    require_spread(answers, use.names, what)
    for answer in answers:
        expect(
            answer.source_kept or answer.name == client.key,
            f"{what}: {answer.name} sees {answer.peer}, the client is {answer.local}",
        )
    return f"{CONNECTIONS} connections, each stays put ({spread_text(answers)}), address kept"


def cluster_ip_udp(client: Pod, use: ServiceUse) -> str:
    answers = client.agent.ask_udp(*use.vip, 5)
    expect({a.name for a in answers} <= use.names, f"answered by {answers[0].name}")
    expect(all(a.source_kept for a in answers), f"the server sees {answers[0].peer}")
    return f"{client.key} -> {use.service.key}: 5 answers of {answers[0].name}, address kept"


def large_udp(clients: list[Pod], use: ServiceUse) -> str:
    """Fragments carry no ports behind the first: they must find their datagram's connection."""
    for client in clients:
        answers = client.agent.ask_udp(*use.vip, 3, padding=LARGE_DATAGRAM)
        expect({a.name for a in answers} <= use.names, f"answered by {answers[0].name}")
    return f"{LARGE_DATAGRAM} bytes each way, {' and '.join(c.key for c in clients)}"


def hairpin(cast: Cast) -> str:
    """A pod that reaches itself by its own service must see the answer come from the service."""
    use = cast.spread
    for endpoint in use.endpoints:
        pod = cast.cluster.pods[endpoint.pod.key]
        own = [answer for answer in fan(pod.agent, *use.vip) if answer.name == pod.key]
        expect(own, f"{pod.key} -> {use.service.key}: none of {CONNECTIONS} came back to it")
        for answer in own:
            expect(
                answer.peer_address == GATEWAY,
                f"{pod.key} sees itself as {answer.peer_address}, not as the gateway {GATEWAY}",
            )
    return f"{', '.join(sorted(use.names))} each reach themselves by {use.service.key}"


def refused(agent: Agent, address: str, port: int, what: str) -> str:
    """At once: a service that can't answer must not cost its clients a timeout."""
    started = time.monotonic()
    try:
        answer = agent.ask_tcp(address, port, timeout=3.0)
    except TrafficError as error:
        expect(error.refused, f"{what}: not refused but {error}")
        return f"{what}: refused after {(time.monotonic() - started) * 1000:.0f} ms"
    raise Failed(f"{what}: {answer.name} answers")


def node_to_service(cluster: Cluster, use: ServiceUse) -> str:
    for node in cluster.nodes.values():
        answers = fan(cluster.agents[node.name], *use.vip)
        require_spread(answers, use.names, f"{node.name} -> {use.service.key}")
    return f"processes on {', '.join(cluster.nodes)} reach all of {use.service.key}"


def promoted_stream(cluster: Cluster, client: Pod, use: ServiceUse) -> str:
    """Bulk through the ClusterIP: every byte compared, and who carried the packets."""
    node = cluster.node_of(client)
    with client.agent.tcp(*use.vip) as connection:
        server = connection.ask(3)[0].name
        for seed, direction in ((3, "up"), (4, "down")):
            connection.bulk(direction, STREAM_BYTES, seed)
        entry = evidence.find_connection(node, connection.local)
    if entry is None:
        raise Failed(f"{node.name} knows no connection from {connection.local}")
    hardware, slow = evidence.hardware_packets(entry), evidence.slow_packets(entry)
    total = hardware + slow
    expect(total > 0, f"connection/{entry['id']} has no packet counted: {entry}")
    expect(
        hardware >= PROMOTED_SHARE * total,
        f"only {hardware} of {total} packets of connection/{entry['id']} by its flows",
    )
    return (
        f"{STREAM_BYTES >> 20} MiB each way to {server}, every byte equal, "
        f"{100 * hardware / total:.2f} % of the packets by the connection's flows"
    )


def node_port_cluster(cluster: Cluster, use: ServiceUse) -> str:
    port = use.port.node_port
    for node in cluster.nodes.values():
        what = f"outside -> {node.name}:{port}"
        answers = fan(cluster.agents[OUTSIDE], str(node.spec.address), port)
        require_spread(answers, use.names, what)
        for answer in answers:
            here = answer.name in use.names_on(node)
            expected = cluster.outside_address if here else str(node.spec.pod_cidr[1])
            expect(
                answer.peer_address == expected,
                f"{what}: {answer.name} sees {answer.peer_address}, not {expected}",
            )
    return f"any node's port {port} reaches every endpoint on both nodes"


def node_port_local(cluster: Cluster, use: ServiceUse) -> str:
    port, heard = use.port.node_port, []
    for node in cluster.nodes.values():
        what = f"outside -> {node.name}:{port}"
        mine = use.names_on(node)
        if not mine:
            _require_silence(cluster, node, port, what)
            heard.append(f"{node.name} has none and drops")
            continue
        answers = fan(cluster.agents[OUTSIDE], str(node.spec.address), port)
        require_spread(answers, mine, what)
        for answer in answers:
            expect(
                answer.source_kept,
                f"{what}: {answer.name} sees {answer.peer}, the client is {answer.local}",
            )
        heard.append(f"{node.name} only {', '.join(sorted(mine))}")
    return f"{'; '.join(heard)}; the client's address kept"


def _require_silence(cluster: Cluster, node, port: int, what: str) -> None:
    try:
        answer = cluster.agents[OUTSIDE].ask_tcp(str(node.spec.address), port, timeout=1.5)
    except TrafficError as error:
        expect(error.silent, f"{what}: not dropped but {error}")
        return
    raise Failed(f"{what}: {answer.name} answers, but has no endpoint there")


def node_port_inside(cluster: Cluster, client: Pod, use: ServiceUse) -> str:
    """By the node itself, by its address and by 127.0.0.1, and by a pod."""
    port = use.port.node_port
    node = cluster.node_of(client)
    own = str(node.spec.address)
    for address in (own, "127.0.0.1"):
        answers = fan(cluster.agents[node.name], address, port)
        require_spread(answers, use.names, f"{node.name} -> {address}:{port}")
    for other in cluster.nodes.values():
        answers = fan(client.agent, str(other.spec.address), port)
        require_spread(answers, use.names, f"{client.key} -> {other.name}:{port}")
    return f"{node.name} itself (by {own} and 127.0.0.1) and {client.key} reach port {port}"


def throughput(cluster: Cluster, cast: Cast, seconds: float = 2.0) -> str:
    """One TCP stream through a ClusterIP; information, no promise."""
    client, use = cast.vf_client, cast.away_only
    connection = client.agent.tcp(*use.vip)
    try:
        got = connection.flood(seconds)
    finally:
        connection.close()
    rate = got["bytes"] * 8 / got["seconds"] / 1e9
    return f"{client.key} -> {use.service.key} -> {got['name']} across the wire: {rate:.2f} Gbit/s"


def steps(cluster: Cluster, cast: Cast) -> list[Step]:
    third, fourth = "pod to service", "external to service"

    def unknown_port() -> str:
        address, _ = cast.spread.vip
        return refused(cast.vf_client.agent, address, 9, "a port that the service doesn't have")

    return [
        Step(third, "ClusterIP from a VF", lambda: cluster_ip(cast.vf_client, cast.spread)),
        Step(third, "ClusterIP from a veth", lambda: cluster_ip(cast.veth_client, cast.spread)),
        Step(third, "ClusterIP from the other node", lambda: cluster_ip(cast.vf_away, cast.spread)),
        Step(
            third,
            "a long stream through a ClusterIP",
            lambda: promoted_stream(cluster, cast.vf_client, cast.spread),
        ),
        Step(third, "UDP through a ClusterIP", lambda: cluster_ip_udp(cast.veth_client, cast.udp)),
        Step(
            third,
            "UDP larger than the MTU",
            lambda: large_udp([cast.vf_client, cast.veth_client], cast.udp),
            Carrier.ENGINE,
        ),
        Step(third, "hairpin", lambda: hairpin(cast)),
        Step(third, "ClusterIP from the node", lambda: node_to_service(cluster, cast.spread)),
        Step(
            third,
            "a service without endpoints",
            lambda: refused(cast.vf_client.agent, *cast.empty.vip, cast.empty.service.key),
            Carrier.ENGINE,
        ),
        Step(third, "an unknown port", unknown_port, Carrier.ENGINE),
        Step(fourth, "NodePort, policy Cluster", lambda: node_port_cluster(cluster, cast.spread)),
        Step(fourth, "NodePort, policy Local", lambda: node_port_local(cluster, cast.local)),
        Step(
            fourth,
            "NodePort from inside",
            lambda: node_port_inside(cluster, cast.vf_client, cast.spread),
        ),
    ]
