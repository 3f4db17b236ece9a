#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every verb in every version of CNI, through libcni.

Needs root and the built programs (SLUICE_BIN).
"""

from __future__ import annotations

import ipaddress
import json
import shutil
import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from runtime import NEWEST, VERSIONS, OneNode  # noqa: E402

from lab.shell import run  # noqa: E402  (runtime knows where lab is)

SINCE = {"check": "0.4.0", "status": "1.1.0", "gc": "1.1.0"}


def has(verb: str, version: str) -> bool:
    return VERSIONS.index(version) >= VERSIONS.index(SINCE[verb])


class Versions(OneNode):
    def check_shape(self, version: str, result: dict[str, Any], pod: Path, pci: str) -> None:
        """The result is the version's own shape, and says what is in the pod."""
        self.assertEqual(result["cniVersion"], version)
        link = self.link(pod)
        inside = {
            f"{address['local']}/{address['prefixlen']}"
            for address in link["addr_info"]
            if address["scope"] == "global"
        }
        if version in ("0.1.0", "0.2.0"):
            self.assertEqual(inside, {result["ip4"]["ip"]})
            self.assertNotIn("interfaces", result)
            return
        [ours] = [each for each in result["interfaces"] if each.get("sandbox")]
        self.assertEqual((ours["name"], ours["sandbox"]), ("eth0", str(pod)))
        self.assertEqual(ours["mac"], link["address"])
        [ip] = result["ips"]
        self.assertEqual(inside, {ip["address"]})
        self.assertIs(result["interfaces"][ip["interface"]], ours)
        self.assertEqual(ip.get("version"), "4" if version < "1" else None)
        modern = version >= "1"
        self.assertEqual(ours.get("mtu"), link["mtu"] if modern else None)
        self.assertEqual(ours.get("pciID"), pci if modern and pci else None)

    def go_through(self, version: str, plugin: dict[str, Any]) -> None:
        pci = plugin.get("deviceID", "")
        name = self.runtime.network(f"net{version}{'vf' if pci else 'veth'}", version, plugin)
        pod = self.make_pod()
        if has("status", version):
            self.succeed("status", name, pod)
        self.check_shape(version, self.add(name, pod), pod, pci)
        if has("check", version):
            self.succeed("check", name, pod)
        else:
            self.refused("check", name, pod, "version")
        if has("gc", version):
            self.succeed("gc", name, pod)  # cnitool knows of no attachment, so none is valid
            self.assertEqual(self.runtime.results(), [])
        self.succeed("del", name, pod)
        self.assertEqual(self.footprint(), self._before)
        self.succeed("del", name, pod)

    def test_every_verb_with_a_veth(self) -> None:
        for version in VERSIONS:
            with self.subTest(version):
                self.go_through(version, self.sluice())

    def test_every_verb_with_a_vf(self) -> None:
        for version, device in zip(VERSIONS, self.devices()):
            with self.subTest(version):
                self.go_through(version, self.sluice(deviceID=device))

    def test_an_interface_that_is_there_already_is_refused_and_left_alone(self) -> None:
        name = self.runtime.network("net", NEWEST, self.sluice())
        pod = self.make_pod()
        run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other0"], netns=pod)
        before = self.link(pod)
        self.refused("add", name, pod, "eth0")
        self.assertEqual(self.link(pod), before)

    def test_status_without_an_engine_is_code_50(self) -> None:
        away = self.sluice(
            engineSocket=str(self.node.run_dir / "no.sock"),
            stateDir=str(self.runtime.folder / "state"),  # nothing is known of an engine
        )
        name = self.runtime.network("net", NEWEST, away)
        self.refused("status", name, self.make_pod(), "no.sock")
        answer = self.runtime.call("STATUS", self.config(name, away))
        self.assertEqual(answer.json()["code"], 50)


class Collecting(OneNode):
    """GC for what no DEL came for. libcni issues DELs itself for what it remembers, so it is made
    to forget."""

    def forget(self) -> None:
        shutil.rmtree(self.runtime.cache / "results")

    def test_attachments_of_dead_pods_are_taken_back(self) -> None:
        name = self.runtime.network("net", NEWEST, self.sluice(deviceID=self.devices()[0]))
        pod = self.make_pod()
        self.succeed("add", name, pod)
        self.forget()
        self.end_pod(pod)
        self.succeed("gc", name, pod)
        self.await_vfs()
        self.assertEqual(self.footprint(), self._before)
        self.succeed("gc", name, pod)

    def repair(self, *words: str) -> str:
        """By sluicectl, which finds sluice-cni beside itself."""
        node, places = self.node, self.places()
        done = run(
            [str(node.programs.path("sluicectl")), "repair", *words,
             "--state-dir", places["stateDir"], "--stats-file", places["statsFile"],
             "--baseline-dir", places["baselineDir"], "--sysfs-root", str(node.run_dir / "sysfs"),
             "--vf-control-socket", str(node.run_dir / "vf.sock")],
            netns=node.netns, timeout=60.0,
        )  # fmt: skip
        return done.stdout

    def test_repair_takes_back_what_is_dead_and_a_dry_run_only_says_so(self) -> None:
        name = self.runtime.network("net", NEWEST, self.sluice())
        living, dead = self.make_pod(), self.make_pod()
        self.add(name, living)
        with_one = self.footprint()
        self.succeed("add", name, dead)
        self.end_pod(dead)
        records = self.footprint()["records"]
        self.assertIn("cnitool-", self.repair("--dry-run"))
        self.assertEqual(self.footprint()["records"], records)
        self.assertIn("cnitool-", self.repair())
        self.assertEqual(self.footprint(), with_one)
        self.assertNotIn("cnitool-", self.repair())

    def test_without_a_list_a_living_pod_keeps_its_attachment(self) -> None:
        plugin = self.sluice()
        name = self.runtime.network("net", NEWEST, plugin)
        pod = self.make_pod()
        self.add(name, pod)
        with_it = self.footprint()
        self.assertEqual(self.runtime.call("GC", self.config(name, plugin)).code, 0)
        self.assertEqual(self.footprint(), with_it)

    def test_what_a_list_does_not_have_is_taken_back(self) -> None:
        plugin = self.sluice()
        name = self.runtime.network("net", NEWEST, plugin)
        kept, ended = self.make_pod(), self.make_pod()
        self.add(name, kept)
        with_one = self.footprint()
        [remembered] = self.runtime.results()
        container = json.loads(remembered.read_text())["containerId"]
        self.add(name, ended)
        valid = [{"containerID": container, "ifname": "eth0"}]
        config = self.config(name, plugin, **{"cni.dev/valid-attachments": valid})
        self.assertEqual(self.runtime.call("GC", config).code, 0)
        self.assertEqual(self.footprint(), with_one)
        self.assertEqual(self.link(kept)["operstate"], "UP")


class Checking(OneNode):
    """CHECK after somebody changed the pod's interface, VF and veth alike."""

    CHANGES = {
        "address": ["ip", "addr", "flush", "dev", "eth0", "scope", "global"],
        "down": ["ip", "link", "set", "eth0", "down"],
        "MAC": ["ip", "link", "set", "eth0", "address", "02:00:00:12:34:56"],
        "MTU": ["ip", "link", "set", "eth0", "mtu", "1300"],
        "gone": ["ip", "link", "set", "eth0", "down", "name", "other0"],
    }

    def go_through(self, plugin: dict[str, Any]) -> None:
        name = self.runtime.network("net", NEWEST, plugin)
        for what, command in self.CHANGES.items():
            with self.subTest(what):
                pod = self.make_pod()
                self.succeed("add", name, pod)
                self.succeed("check", name, pod)
                run(command, netns=pod)
                self.refused("check", name, pod, "eth0")
                self.succeed("del", name, pod)
                self.assertEqual(self.footprint(), self._before)

    def test_a_veth(self) -> None:
        self.go_through(self.sluice())

    def test_a_vf(self) -> None:
        self.go_through(self.sluice(deviceID=self.devices()[0]))


class Addresses(OneNode):
    def test_a_pool_of_our_own(self) -> None:
        pool = {"type": "sluice", "subnet": "10.99.0.0/24", "gateway": "10.99.0.1"}
        plugin = self.sriov(self.devices()[0], ipam=pool)
        name = self.runtime.network("net", NEWEST, plugin)
        [ip] = self.add(name, self.make_pod())["ips"]
        self.assertIn(
            ipaddress.ip_interface(ip["address"]).ip, ipaddress.ip_network("10.99.0.0/24")
        )


if __name__ == "__main__":
    unittest.main()
