# SPDX-License-Identifier: Apache-2.0
"""What carried a step: the engines' counters before and after it, and the difference in words.

Every packet that the NIC forwards is counted by one rule of the forward stage; every packet that
the slow path handles is counted by the engine. A connection's own counters say whose they were.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, Mapping

from lab.node import Node

FORWARD_STAGE = "forward"


@dataclass
class Snapshot:
    connections: dict[tuple[str, int], dict] = field(default_factory=dict)
    flows: dict[tuple, dict] = field(default_factory=dict)
    slow: dict[str, int] = field(default_factory=dict)
    slow_by_reason: dict[tuple[str, str], int] = field(default_factory=dict)


def number(record: dict, name: str) -> int:
    return int(record.get(name, 0) or 0)  # 64-bit numbers may come as text


def take(nodes: Iterable[Node]) -> Snapshot:
    snapshot = Snapshot()
    for node in nodes:
        status = node.ctl("status")
        snapshot.slow[node.name] = number(status, "slow_packets")
        for reason, count in (status.get("slow_counters") or {}).items():
            snapshot.slow_by_reason[node.name, reason] = int(count)
        listing = node.ctl("flows")
        for flow in listing.get("flows") or []:
            key = (node.name, flow.get("stage"), flow.get("priority"), flow.get("match"))
            snapshot.flows[key] = flow
        for connection in listing.get("connections") or []:
            snapshot.connections[node.name, number(connection, "id")] = connection
    return snapshot


def hardware_packets(connection: dict) -> int:
    return number(connection, "hardware_packets_forward") + number(
        connection, "hardware_packets_reply"
    )


def slow_packets(connection: dict) -> int:
    return number(connection, "slow_packets_forward") + number(connection, "slow_packets_reply")


@dataclass(frozen=True)
class ConnectionShare:
    node: str
    id: int
    service: str
    hardware: int
    slow: int

    def words(self) -> str:
        to = f" to {self.service}" if self.service else ""
        slow = f", {self.slow} by the slow path" if self.slow else ""
        return f"connection/{self.id} on {self.node}{to}: {self.hardware} by its flow{slow}"


@dataclass
class Difference:
    hardware: int = 0  # packets that the NIC forwarded by rules
    software: int = 0  # the same, where the backend put the rule in software
    slow: int = 0
    rules: dict[str, int] = field(default_factory=dict)  # owner -> packets
    shares: list[ConnectionShare] = field(default_factory=list)

    def words(self, names: Mapping[str, str], most: int = 2) -> list[str]:
        """`names`: what to say instead of an owner, e.g. the pod for its attachment."""
        if not (self.hardware or self.software or self.slow):
            return ["nothing passed an eswitch"]
        parts = [f"{self.hardware} packets by rules in the NIC"]
        if self.software:
            parts.append(f"{self.software} by rules in software")
        parts.append(f"{self.slow} by the slow path")
        lines = [", ".join(parts)]
        ranked = sorted(self.shares, key=lambda share: -(share.hardware + share.slow))
        lines += [share.words() for share in ranked[:most]]
        if len(ranked) > most:
            lines.append(f"and {len(ranked) - most} connections more")
        if not ranked and self.rules:
            busiest = sorted(self.rules.items(), key=lambda item: -item[1])[:most]
            carriers = [f"{names.get(owner, owner)} ({count})" for owner, count in busiest]
            lines.append("by the rules of " + ", ".join(carriers))
        return lines


def difference(before: Snapshot, after: Snapshot) -> Difference:
    result = Difference()
    for node, count in after.slow.items():
        result.slow += max(0, count - before.slow.get(node, 0))
    for key, flow in after.flows.items():
        grown = number(flow, "packets") - number(before.flows.get(key, {}), "packets")
        if grown <= 0 or not _forwards(flow):
            continue
        if flow.get("tier") == "software":
            result.software += grown
        else:
            result.hardware += grown
        owner = str(flow.get("owner", "?"))
        result.rules[owner] = result.rules.get(owner, 0) + grown
    for key, connection in after.connections.items():
        old = before.connections.get(key, {})
        hardware = hardware_packets(connection) - hardware_packets(old)
        slow = slow_packets(connection) - slow_packets(old)
        if hardware > 0 or slow > 0:
            service = str(connection.get("service", ""))
            result.shares.append(ConnectionShare(key[0], key[1], service, hardware, slow))
    return result


def _forwards(flow: dict) -> bool:
    actions = str(flow.get("actions", "")).lower()
    return flow.get("stage") == FORWARD_STAGE and "output" in actions


def find_connection(node: Node, client: str, server: str = "") -> dict | None:
    """By the client's side as it sent it ("10.244.1.2:40000"), and the address it sent to."""
    for connection in node.ctl("flows", "--connections").get("connections") or []:
        source, _, target = str(connection.get("original", "")).partition(" -> ")
        if source.strip() == client and target.strip().startswith(server):
            return connection
    return None


def counted_by(node: Node, stage: str, *needles: str) -> int:
    """Packets of the rules of a stage in whose match all needles occur as words."""
    total = 0
    for flow in node.ctl("flows").get("flows") or []:
        words = str(flow.get("match", "")).split()
        if flow.get("stage") == stage and all(needle in words for needle in needles):
            total += number(flow, "packets")
    return total
