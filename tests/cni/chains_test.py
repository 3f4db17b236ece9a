#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Several plugins in a chain, and configurations that were written for sriov-cni.

Needs root and the built programs (SLUICE_BIN).
"""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from runtime import NEWEST, OneNode  # noqa: E402

from lab.shell import run  # noqa: E402  (runtime knows where lab is)

SYSCTL = "net.ipv4.conf.IFNAME.accept_local"
SUBNET = "10.88.0.0/24"
HOST_PORT = 8123


class Chained(OneNode):
    """The device comes by a capability, as from a meta-plugin; tuning and portmap come behind."""

    def chain(self, first: dict[str, Any]) -> str:
        return self.runtime.network(
            "chain",
            NEWEST,
            {**first, "capabilities": {"deviceID": True, "mac": True}},
            {
                "type": "tuning",
                "sysctl": {SYSCTL: "1"},
                "dataDir": str(self.runtime.folder / "tuning"),
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        )

    def go_through(self, first: dict[str, Any], device: str) -> dict[str, Any]:
        name, pod = self.chain(first), self.make_pod()
        mac = "02:00:00:00:77:01"
        ports = [{"hostPort": HOST_PORT, "containerPort": 80, "protocol": "tcp"}]
        wish = {"capabilities": {"deviceID": device, "mac": mac, "portMappings": ports}}
        result = self.add(name, pod, **wish)
        [ours] = [each for each in result["interfaces"] if each.get("sandbox")]
        self.assertEqual((ours["mac"], ours["pciID"]), (mac, device))
        self.assertEqual(self.link(pod)["address"], mac)
        path = SYSCTL.replace("IFNAME", "eth0").replace(".", "/")
        self.assertEqual(run(["cat", f"/proc/sys/{path}"], netns=pod).stdout.strip(), "1")
        address = result["ips"][0]["address"].partition("/")[0]
        self.assertIn(f"{address}:80", self.nat_rules())
        self.succeed("check", name, pod, **wish)
        self.succeed("del", name, pod, **wish)
        self.assertNotIn(f"{address}:80", self.nat_rules())
        self.assertEqual(self.footprint(), self._before)
        self.succeed("del", name, pod, **wish)
        return result

    def nat_rules(self) -> str:
        """portmap's, by whichever of its two ways."""
        return run(["nft", "list", "ruleset"], netns=self.node.netns).stdout

    def test_our_own_form(self) -> None:
        self.go_through(self.sluice(), self.devices()[0])

    def test_sriov_with_host_local(self) -> None:
        first = self.sriov("", ipam={"type": "host-local", "ranges": [[{"subnet": SUBNET}]]})
        del first["deviceID"]
        result = self.go_through(first, self.devices()[1])
        [ip] = result["ips"]
        self.assertEqual(ip["address"], "10.88.0.2/24")

    def test_what_came_before_is_passed_on(self) -> None:
        # As a main plugin `static` makes no interface and answers with its addresses.
        static = {"type": "static", "addresses": [{"address": "10.90.0.7/24"}]}
        ours = self.sriov(
            self.devices()[0], ipam={"type": "host-local", "ranges": [[{"subnet": SUBNET}]]}
        )
        name = self.runtime.network("behind", NEWEST, {"type": "static", "ipam": static}, ours)
        result = self.add(name, self.make_pod())
        self.assertEqual(
            [(ip["address"], "interface" in ip) for ip in result["ips"]],
            [("10.90.0.7/24", False), ("10.88.0.2/24", True)],
        )

    def test_behind_another_main_plugin_the_name_is_taken(self) -> None:
        subnet = {"type": "host-local", "ranges": [[{"subnet": "10.89.0.0/24"}]]}
        bridge = {"type": "bridge", "bridge": "cni0", "ipam": subnet}
        self.addCleanup(run, ["ip", "link", "del", "cni0"], netns=self.node.netns, check=False)
        name = self.runtime.network("two", NEWEST, bridge, self.sriov(self.devices()[0]))
        pod = self.make_pod()
        self.refused("add", name, pod, "eth0")
        self.assertEqual(self.link(pod)["linkinfo"]["info_kind"], "veth")  # the bridge's
        self.succeed("del", name, pod)


class AsSriovCni(OneNode):
    """Configurations as users of sriov-cni have them."""

    def leases(self, network: str) -> list[str]:
        folder = self.runtime.cache / "networks" / network
        return sorted(path.name for path in folder.glob("*") if path.name[0].isdigit())

    def network(self, **keys: Any) -> str:
        ipam = {
            "type": "host-local", "subnet": SUBNET,
            "rangeStart": "10.88.0.20", "rangeEnd": "10.88.0.30",
            "routes": [{"dst": "10.200.0.0/16"}], "gateway": "10.88.0.1",
        }  # fmt: skip
        plugin = self.sriov(self.devices()[0], **{"ipam": ipam, **keys})
        return self.runtime.network("sriov-net", "1.0.0", plugin)

    def test_with_host_local(self) -> None:
        name, pod = self.network(spoofchk="on", trust="off", logLevel="debug"), self.make_pod()
        result = self.add(name, pod)
        [ip] = result["ips"]
        self.assertEqual((ip["address"], ip["gateway"]), ("10.88.0.20/24", "10.88.0.1"))
        routes = run(["ip", "route", "show", "10.200.0.0/16"], netns=pod).stdout
        self.assertIn("via 10.88.0.1 dev eth0", routes)
        self.assertEqual(self.leases(name), ["10.88.0.20"])
        self.succeed("check", name, pod)
        self.succeed("del", name, pod)
        self.assertEqual(self.leases(name), [])
        self.assertEqual(self.footprint(), self._before)

    def test_with_static(self) -> None:
        ipam = {
            "type": "static",
            "addresses": [{"address": "10.88.0.40/24", "gateway": "10.88.0.1"}],
            "routes": [{"dst": "10.200.0.0/16"}],
        }
        name, pod = self.network(ipam=ipam), self.make_pod()
        [ip] = self.add(name, pod)["ips"]
        self.assertEqual((ip["address"], ip["gateway"]), ("10.88.0.40/24", "10.88.0.1"))
        [inside] = [each for each in self.link(pod)["addr_info"] if each["scope"] == "global"]
        self.assertEqual(inside["local"], "10.88.0.40")
        routes = run(["ip", "route", "show", "10.200.0.0/16"], netns=pod).stdout
        self.assertIn("via 10.88.0.1 dev eth0", routes)
        self.succeed("check", name, pod)
        self.succeed("del", name, pod)
        self.assertEqual(self.footprint(), self._before)

    def test_mac_of_cni_args_goes_before_the_configuration(self) -> None:
        name, pod = self.network(mac="02:00:00:00:88:01"), self.make_pod()
        args = "IgnoreUnknown=1;MAC=02:00:00:00:88:02;K8S_POD_NAME=p"
        self.add(name, pod, args=args)
        self.assertEqual(self.link(pod)["address"], "02:00:00:00:88:02")

    def test_without_ipam_it_is_a_link_and_no_address(self) -> None:
        name, pod = self.network(ipam={}), self.make_pod()
        result = self.add(name, pod)
        self.assertFalse(result.get("ips"))
        self.assertEqual(result["interfaces"][0]["name"], "eth0")

    def test_a_full_range_is_said_and_takes_nothing(self) -> None:
        ipam = {
            "type": "host-local",
            "ranges": [[{"subnet": SUBNET, "rangeStart": "10.88.0.9", "rangeEnd": "10.88.0.9"}]],
        }
        first = self.runtime.network("full", NEWEST, self.sriov(self.devices()[0], ipam=ipam))
        self.add(first, self.make_pod())
        # The second pod's VF is another one, its network the same.
        self.runtime.network("full", NEWEST, self.sriov(self.devices()[1], ipam=ipam))
        taken, pod = self.footprint(), self.make_pod()
        self.refused("add", "full", pod, "no IP addresses available")
        self.assertEqual(self.footprint(), taken)

    def test_a_vf_that_another_pod_has_is_refused(self) -> None:
        name = self.network()
        self.add(name, self.make_pod())
        taken, second = self.footprint(), self.make_pod()
        self.refused("add", name, second, self.devices()[0])
        self.assertEqual(self.footprint(), taken)
        self.assertEqual(len(self.leases(name)), 1)

    def test_a_pod_that_died_first(self) -> None:
        name, pod = self.network(mac="02:00:00:00:88:03"), self.make_pod()
        self.succeed("add", name, pod)
        self.end_pod(pod)
        self.succeed("del", name, pod)
        self.assertEqual(self.leases(name), [])
        self.await_vfs()


if __name__ == "__main__":
    unittest.main()
