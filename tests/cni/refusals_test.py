#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input: the code that CNI has for it, words that name it, and nothing touched.

Needs root and the built programs (SLUICE_BIN).
"""

from __future__ import annotations

import json
import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from runtime import NEWEST, VERSIONS, OneNode  # noqa: E402

from lab.shell import run  # noqa: E402  (runtime knows where lab is)

CONTAINER = "sluice-refused"


class Refusals(OneNode):
    def variables(self, **changes: str | None) -> dict[str, str]:
        usual = {
            "CONTAINERID": CONTAINER,
            "NETNS": str(self.cluster.names.netns_path("pod1")),
            "IFNAME": "eth0",
        }
        merged: dict[str, str | None] = {**usual, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def check_refused(
        self, code: int, words: str, stdin: str, verb: str = "ADD", **changes: str | None
    ) -> dict[str, Any]:
        answer = self.runtime.call(verb, stdin, **self.variables(**changes))
        self.assertNotEqual(answer.code, 0, answer.out)
        said = answer.json()
        self.assertEqual(said["code"], code, said)
        self.assertRegex(said["msg"] + said.get("details", ""), words)
        self.assertEqual(self.footprint(), self._before)
        return said

    def good(self, **changes: Any) -> str:
        return self.config("net", self.sluice(**changes))

    def test_the_environment(self) -> None:
        self.make_pod()
        for code, words, changes in (
            (4, "CNI_CONTAINERID", {"CONTAINERID": None}),
            (4, "CNI_NETNS", {"NETNS": None}),
            (4, "CNI_IFNAME", {"IFNAME": None}),
            (4, "CNI_CONTAINERID", {"CONTAINERID": "../x"}),
            (4, "CNI_IFNAME", {"IFNAME": "a/b"}),
            (4, "CNI_IFNAME", {"IFNAME": "sixteen-letters-"}),
            (4, "CNI_ARGS", {"ARGS": "MAC"}),
            (4, "Unknown", {"ARGS": "Unknown=1"}),
        ):
            with self.subTest(changes):
                self.check_refused(code, words, self.good(), **changes)
        self.check_refused(4, "CNI_COMMAND", self.good(), verb="MOVE")

    def test_every_missing_variable_is_named_at_once(self) -> None:
        said = self.check_refused(
            4, "required", self.good(), CONTAINERID=None, NETNS=None, IFNAME=None
        )
        for name in ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"):
            self.assertIn(name, said["msg"])

    def test_the_configuration(self) -> None:
        self.make_pod()
        device = self.devices()[0]
        for code, words, stdin in (
            (6, "JSON", "{"),
            (6, "JSON", "[]"),
            (7, "name", json.dumps({"cniVersion": NEWEST, "type": "sluice-cni"})),
            (7, "name", self.good(name="a b")),
            (1, "9.9.9", self.good(cniVersion="9.9.9")),
            (7, "vlam", self.good(vlam=1)),
            (7, "vlan", self.good(deviceID=device, vlan=4095)),
            (7, "mac", self.good(deviceID=device, mac="01:00:5e:00:00:01")),
            (7, "deviceID", self.good(deviceID="3b:00")),
            (7, "ipam", self.good(ipam={"type": "../evil"})),
            (2, "aliases", self.good(runtimeConfig={"aliases": ["a"]})),
        ):
            with self.subTest(stdin[:120]):
                self.check_refused(code, words, stdin)

    def test_a_version_that_cannot_say_the_result_is_refused_first(self) -> None:
        self.make_pod()
        plugin = self.sriov(self.devices()[0])
        for version in ("0.1.0", "0.2.0"):
            with self.subTest(version):
                stdin = self.config("net", plugin, cniVersion=version)
                said = self.check_refused(7, version, stdin)
                self.assertEqual(said["cniVersion"], version)

    def test_verbs_that_a_version_does_not_have(self) -> None:
        self.make_pod()
        for verb, since in (("CHECK", "0.4.0"), ("GC", "1.1.0"), ("STATUS", "1.1.0")):
            for version in VERSIONS[: VERSIONS.index(since)]:
                with self.subTest(f"{verb} {version}"):
                    self.check_refused(1, version, self.good(cniVersion=version), verb=verb)

    def test_a_device_that_is_not_there_and_a_pod_that_is_not(self) -> None:
        self.make_pod()
        self.check_refused(7, "0000:ff:1f.7", self.good(deviceID="0000:ff:1f.7"))
        self.check_refused(4, "/run/netns/none", self.good(), NETNS="/run/netns/none")

    def test_no_veth_in_place_of_a_device_that_was_asked_for(self) -> None:
        pod = self.make_pod()
        self.check_refused(7, "0000:ff:1f.7", self.good(deviceID="0000:ff:1f.7"))
        links = json.loads(run(["ip", "-j", "link"], netns=pod).stdout)
        self.assertEqual([link["ifname"] for link in links], ["lo"])

    def test_a_del_succeeds_whatever_is_missing(self) -> None:
        for changes in ({"NETNS": None}, {"NETNS": ""}, {"NETNS": "/run/netns/none"}):
            with self.subTest(changes):
                answer = self.runtime.call("DEL", self.good(), **self.variables(**changes))
                self.assertEqual((answer.code, answer.out), (0, ""), answer.err)

    def test_version_needs_nothing(self) -> None:
        answer = self.runtime.call("VERSION", "")
        self.assertEqual(answer.code, 0)
        self.assertEqual(answer.json()["supportedVersions"], list(VERSIONS))

    def test_only_json_on_stdout_while_it_logs(self) -> None:
        pod = self.make_pod()
        answer = self.runtime.call("ADD", self.good(logLevel="debug"), **self.variables())
        self.addCleanup(self.runtime.call, "DEL", self.good(), **self.variables())
        self.assertEqual(answer.json()["cniVersion"], NEWEST)
        self.assertIn(CONTAINER, answer.err)
        self.assertEqual(self.link(pod)["operstate"], "UP")

    def test_a_megabyte_of_configuration(self) -> None:
        self.make_pod()
        stdin = self.good(**{"example.com/filler": "x" * (1 << 20)})
        answer = self.runtime.call("ADD", stdin, **self.variables())
        self.addCleanup(self.runtime.call, "DEL", stdin, **self.variables())
        self.assertEqual(answer.code, 0, answer.out)


if __name__ == "__main__":
    unittest.main()
