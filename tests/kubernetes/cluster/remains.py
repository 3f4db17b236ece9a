# SPDX-License-Identifier: Apache-2.0
"""What there is of attachments on the nodes: files, links, and what the engine knows."""

from __future__ import annotations

from cluster import sluice
from cluster.cluster import Cluster
from cluster.node import Node

# Records, and addresses by their files; locks and marks of what was given last stay.
FILES = ("attachments", "ipam", "damaged")
OWNER = "attachment/"  # of the engine's rules that come and go with a pod's interface
RULE = "rule of"


def of_attachments(cluster: Cluster) -> dict[str, list[str]]:
    """Node -> one line for each; equal before and after when nothing was left behind."""
    return {name: _of_node(node) for name, node in cluster.nodes.items()}


def _of_node(node: Node) -> list[str]:
    folders = " ".join(f"{sluice.STATE_DIR}/{name}" for name in FILES)
    find = f"find {folders} {sluice.RUN_DIR}/pending -type f ! -name '.*' 2>/dev/null; true"
    files = node.run("sh", "-c", find)
    links = node.run("ip", "-br", "link", "show").stdout.splitlines()
    rules = node.run("nft", "list", "ruleset").stdout.count("dnat")
    ports = [f"{port['name']}: {port['pod']}" for port in node.ctl("ports")["ports"] if port["pod"]]
    flows = [flow for flow in node.ctl("flows")["flows"] if flow["owner"].startswith(OWNER)]
    return sorted([
        *files.stdout.splitlines(),
        *(f"link {line.split('@')[0].split()[0]}" for line in links),
        f"{rules} nat rules",
        *(f"{RULE} {flow['owner']}: {flow['stage']} {flow['match']}" for flow in flows),
        *ports,
    ])  # fmt: skip
