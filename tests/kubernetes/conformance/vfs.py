# SPDX-License-Identifier: Apache-2.0
"""The nodes' VFs, as the kernel and the simulated NIC tell of them, and all that attachments leave.
No program of ours is asked."""

from __future__ import annotations

import json

from cluster import remains, sluice
from cluster.cluster import Cluster
from cluster.node import Node

# What a VF is like that nobody has changed (offload/softnic/vf_settings.h).
UNTOUCHED = {"admin_mac": "00:00:00:00:00:00", "vlan_protocol": str(0x8100), "spoof_check": "1"}
# Of multus, libcni and host-local. The last two remember things about addresses nobody has.
FOLDERS = "/var/lib/cni /run/k8s.cni.cncf.io/devinfo/cni"
NOTES = "! -name lock ! -name 'last_reserved_ip.*'"


def settings(node: Node) -> dict[str, dict[str, str]]:
    """PCI address -> what its PF was told about the VF, without what is as it always was. The
    simulated NIC keeps it in the representor's alias."""
    listing = node.run("nsenter", f"--net={sluice.REPRESENTORS}", "ip", "-j", "link", "show").stdout
    aliases = {link["ifname"]: link.get("ifalias", "") for link in json.loads(listing)}
    found = {}
    for virtfn in (node.run_dir / "sluice/sysfs/bus/pci/devices").glob("*/virtfn*"):
        words = aliases[f"rep{virtfn.name.removeprefix('virtfn')}"].split()
        told = dict(word.split("=", 1) for word in words)
        changed = {key: value for key, value in told.items() if value != UNTOUCHED.get(key, "0")}
        found[virtfn.readlink().name] = changed
    return found


def everything(cluster: Cluster) -> dict[str, list[str]]:
    """Node -> one line for each thing; equal before and after when every VF is at home as it was,
    and nothing is left of any attachment, in the books of others either."""
    lines = remains.of_attachments(cluster)
    for name, node in cluster.nodes.items():
        lines[name] += [*_at_home(node), *_files(node)]
        lines[name] += [f"{vf}: {told}" for vf, told in sorted(settings(node).items())]
    return lines


def _at_home(node: Node) -> list[str]:
    links = json.loads(node.run("ip", "-j", "link", "show").stdout)
    return [
        f"{link['ifname']} {link['address']} mtu {link['mtu']} {'UP' in link['flags']}"
        for link in links
        if link["ifname"].startswith(f"{sluice.UPLINK}v")
    ]


def _files(node: Node) -> list[str]:
    find = f"find {FOLDERS} -type f {NOTES} 2>/dev/null; true"
    return node.run("sh", "-c", find).stdout.splitlines()
