#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sluice-cni killed before every system call of ADD and DEL that kill-at knows, on simulated VFs
and with veths, behind an engine. The same sweep runs on real VFs in tests/vm.

Needs root and the built programs (SLUICE_BIN).
"""

from __future__ import annotations

import os
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from runtime import OneNode  # noqa: E402
from sweep.core import SCENARIOS, Answer, NotSwept, Pod, Sweep  # noqa: E402
from sweep.node_place import NodePlace  # noqa: E402


class NothingEverDies:
    """A place where nobody is killed."""

    def make_pod(self) -> Pod:
        return Pod("c", "/run/netns/c")

    def end_pod(self, pod: Pod) -> None:
        pass

    def call(self, verb: str, pod: Pod, kill_at: int | None = None) -> Answer:
        return Answer(0, "")

    def collect(self) -> Answer:
        return Answer(0, "")

    repair = collect

    def look(self) -> dict[str, Any]:
        return {}

    def forget_baseline(self) -> None:
        pass


class TheSweep(unittest.TestCase):
    def test_that_kills_nobody_fails(self) -> None:
        for scenario in SCENARIOS.values():
            with self.subTest(scenario.name), self.assertRaises(NotSwept):
                Sweep(NothingEverDies(), scenario).run()


class KilledAnywhere(OneNode):
    """Each scenario has a state directory of its own."""

    def sweep(self, name: str, scenario: str, device: str = "", **ipam: Any) -> None:
        place = NodePlace(
            self.node, self.cluster.names, self.runtime.folder / name, name, device, ipam
        )
        Sweep(place, SCENARIOS[scenario]).run()

    def test_with_a_veth_and_an_address_of_the_node(self) -> None:
        for number, scenario in enumerate(SCENARIOS):
            with self.subTest(scenario):
                self.sweep(f"veth{number}-", scenario)

    def test_with_a_vf_and_an_address_of_a_pool(self) -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = {}
            for number, scenario in enumerate(SCENARIOS):
                ends = f"10.77.0.{16 * number + 16}", f"10.77.0.{16 * number + 31}"
                block = {"subnet": "10.77.0.0/24", "rangeStart": ends[0], "rangeEnd": ends[1]}
                jobs[scenario] = pool.submit(
                    self.sweep, f"vf{number}-", scenario, self.devices()[number],
                    type="sluice", pool=f"vf{number}", ranges=[[block]],
                )  # fmt: skip
        for scenario, job in jobs.items():
            with self.subTest(scenario):
                job.result()


if __name__ == "__main__":
    unittest.main()
