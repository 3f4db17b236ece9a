# SPDX-License-Identifier: Apache-2.0
"""What ADD and DEL ask of the kernel, counted: ADD's record is synchronised, the VF moved by one
request, and there are no requests or processes more than the work needs."""

from __future__ import annotations

import sys
from typing import Any

from cni_case import HERE, CniTest
from lane import TESTS

sys.path.insert(0, str(TESTS / "bench/cni"))

from traced import TRACED, counted  # noqa: E402

TRACE = f"{HERE}/trace"
STRACE = f"strace -f -o {TRACE} -e trace={','.join(TRACED)} -e write=all"
# With a VLAN, a MAC and an address. Most of them look at what is there; three of ADD announce.
MOST_REQUESTS = {"ADD": 15, "DEL": 6}


class CniCostTest(CniTest):
    vfs_wanted = 1

    def count(self, verb: str, network: dict[str, Any]) -> dict[str, int]:
        self.succeed(verb, "p1", network, prefix=STRACE)
        return counted(self.vm.check(f"cat {TRACE}"))

    def test_add_and_del(self) -> None:
        network = self.network(self.vfs[0], vlan=100, mac="02:00:00:00:99:01", mtu=1400)
        self.make_pod("p1")
        self.succeed("ADD", "p1", network)  # takes the baseline, once for a VF
        self.succeed("DEL", "p1", network)
        for verb, most in MOST_REQUESTS.items():
            counts = self.count(verb, network)
            print(f"{verb}: {counts}")
            with self.subTest(verb):
                self.assertEqual(counts["moves"], 1)
                self.assertGreater(counts["requests"], 1)
                self.assertLessEqual(counts["requests"], most)
                if verb == "ADD":
                    self.assertGreater(counts["fsyncs"], 0)
                self.assertEqual((counts["processes"], counts["namespaces"]), (0, 0))
