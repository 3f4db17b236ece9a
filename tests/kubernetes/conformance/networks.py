# SPDX-License-Identifier: Apache-2.0
"""The networks that the tests attach pods to, and pods that ask for them."""

from __future__ import annotations

import json

from cluster import sluice, workloads

import multus

RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName"
NETWORKS = "k8s.v1.cni.cncf.io/networks"
# With hardware neither is there: the kernel's /sys and the PF itself are asked. With the engine it
# says them. These networks know of no engine.
SIMULATED_NIC = {"sysfsRoot": sluice.SYSFS, "vfControlSocket": f"{sluice.RUN_DIR}/vf.sock"}


def attachment_definition(name: str, configuration: dict) -> dict:
    return {
        "apiVersion": f"{multus.GROUP}/v1",
        "kind": multus.KIND,
        "metadata": {"name": name, "annotations": {RESOURCE_NAME: sluice.RESOURCE}},
        "spec": {"config": json.dumps({"name": name, **configuration})},
    }


def ours(subnet: str, version: str = "1.1.0") -> dict:
    """A plain VF with an address of a pool."""
    return {
        "cniVersion": version,
        "type": "sluice-cni",
        "offload": "never",
        "capabilities": {"mac": True, "ips": True, "CNIDeviceInfoFile": True},
        "ipam": {"type": "sluice", "ranges": [[{"subnet": subnet}]]},
        **SIMULATED_NIC,
    }


def of_sriov_cni(subnet: str, version: str = "0.3.1", **keys: object) -> dict:
    """As users of sriov-cni have it: binary name, keys, IPAM plugin, and an old version."""
    return {
        "cniVersion": version,
        "type": "sriov",
        "capabilities": {"mac": True},
        "ipam": {"type": "host-local", "subnet": subnet},
        **keys,
        **SIMULATED_NIC,
    }


def on_networks(document: dict, *networks: str | dict) -> dict:
    """A pod, or what has a pod template, with these secondary networks: names, or selections with
    wishes (mac, ips, interface)."""
    pod = document["spec"].get("template", document)
    selections = [{"name": one} if isinstance(one, str) else one for one in networks]
    pod["metadata"].setdefault("annotations", {})[NETWORKS] = json.dumps(selections)
    return document


def pod(name: str, *networks: str | dict, node: str = "n1") -> dict:
    """Pools and host-local know nothing of other nodes: who is to have distinct addresses without
    blocks for each node is on one."""
    return on_networks(workloads.pod(name, vfs=len(networks), node=node), *networks)
