# SPDX-License-Identifier: Apache-2.0
"""Sluice's own programs in a node: their flags and files, in this one place.

Paths are those of a real node: each node has a /run, /var/lib/kubelet and /var/lib/sluice of its
own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import yaml

VFS = 8
RBAC = "deploy/rbac/device-plugin.yaml"  # what the device plugin may ask of the API server
RESOURCE = "sluice.dev/vf"
UPLINK = "eth0"
RUN_DIR = "/run/sluice"
STATE_DIR = "/var/lib/sluice"
REPRESENTORS = "/run/netns/sluice-representors"
SYSFS = f"{RUN_DIR}/sysfs"  # of the simulated NIC, made by the engine
ENGINE_SOCKET = f"{RUN_DIR}/offload.sock"


@dataclass(frozen=True)
class Program:
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)


def programs(bin_dir: Path, node: str, manifest: Path, kubeconfig: Path) -> dict[str, Program]:
    """The long-running ones, in the order in which they start. `kubeconfig`: the device plugin's,
    for DRA."""
    engine = [
        bin_dir / "sluice-offloadd",
        "--node", node, "--manifest", manifest, "--uplink", UPLINK, "--nic", "soft",
        "--vfs", VFS, "--run-dir", RUN_DIR, "--rep-netns", REPRESENTORS,
    ]  # fmt: skip
    device_plugin = {
        "SLUICE_SYSFS_ROOT": SYSFS,
        "SLUICE_RUN_DIR": RUN_DIR,
        "SLUICE_NODE_NAME": node,
        "SLUICE_RESCAN_SECONDS": "1",
    }
    if kubeconfig.exists():
        device_plugin["SLUICE_KUBECONFIG"] = str(kubeconfig)
    return {
        "sluice-offloadd": Program([str(word) for word in engine]),
        "sluice-device-plugin": Program([str(bin_dir / "sluice-device-plugin")], device_plugin),
    }


def cni_configuration() -> str:
    """1.1.0: containerd asks for STATUS, and without a good answer the node isn't Ready."""
    plugin = {
        "type": "sluice-cni",
        "engineSocket": ENGINE_SOCKET,
        "stateDir": STATE_DIR,
        "capabilities": {"portMappings": True},
    }
    return json.dumps({"cniVersion": "1.1.0", "name": "sluice", "plugins": [plugin]}, indent=1)


def engine_manifest(nodes: list[dict]) -> str:
    """What the engine wants to know of the API server's Node objects."""
    documents = []
    for node in nodes:
        addresses = [
            address
            for address in node["status"]["addresses"]
            if address["type"] in ("InternalIP", "Hostname")
        ]
        documents.append({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node["metadata"]["name"]},
            "spec": {"podCIDR": node["spec"]["podCIDR"]},
            "status": {"addresses": addresses},
        })  # fmt: skip
    return yaml.safe_dump_all(documents, sort_keys=False)
