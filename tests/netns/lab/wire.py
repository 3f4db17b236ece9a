# SPDX-License-Identifier: Apache-2.0
"""The wire: a namespace with a Linux bridge as the Ethernet between nodes and an outside client."""

from __future__ import annotations

import ipaddress

from lab.names import Names
from lab.shell import run

MTU = 1500
UPLINK = "eth0"
BRIDGE = "br0"


class Wire:
    """Contract: netns(role) are made here; `plug` gives a namespace an eth0 on the wire. Whoever
    deletes the namespaces deletes the links with them."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.netns = add_namespace(names, "wire")
        script = [
            f"link add {BRIDGE} type bridge stp_state 0 mcast_snooping 0",
            f"link set {BRIDGE} mtu {MTU} up",
        ]
        run(["ip", "-batch", "-"], netns=self.netns, stdin="\n".join(script) + "\n")

    def plug(self, role: str, address: ipaddress.IPv4Interface) -> None:
        """The wire's side is named like the role: a capture on it sees what that host sends."""
        self_ns, host_ns = self.names.netns("wire"), self.names.netns(role)
        run([
            "ip", "link", "add", UPLINK, "netns", host_ns, "mtu", str(MTU), "type", "veth",
            "peer", "name", role, "mtu", str(MTU), "netns", self_ns,
        ])  # fmt: skip
        run(["ip", "-batch", "-"], netns=self.netns, stdin=f"link set {role} master {BRIDGE} up\n")
        script = [f"addr add {address} dev {UPLINK}", f"link set {UPLINK} up"]
        host = self.names.netns_path(role)
        run(["ip", "-batch", "-"], netns=host, stdin="\n".join(script) + "\n")


def add_namespace(names: Names, role: str):
    """A named namespace with `lo` up and nothing in it that speaks by itself."""
    run(["ip", "netns", "add", names.netns(role)])
    path = names.netns_path(role)
    if role == "wire":  # a bridge that sends no IPv6 multicast of its own
        run(["sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"], netns=path)
    run(["ip", "link", "set", "lo", "up"], netns=path)
    return path
