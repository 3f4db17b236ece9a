#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sluice-cni killed at every moment of ADD and DEL, on simulated VFs and with veths, behind an
engine. The same sweep runs on real VFs in tests/vm.

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
from sweep.core import SCENARIOS, Sweep  # noqa: E402
from sweep.node_place import NodePlace  # noqa: E402

FEWEST_MOMENTS = 10  # of a call that journals, moves a link and tells the engine


class KilledAnywhere(OneNode):
    """Each scenario has a state directory of its own."""

    def sweep(self, name: str, scenario: str, device: str = "", **ipam: Any) -> None:
        place = NodePlace(
            self.node, self.cluster.names, self.runtime.folder / name, name, device, ipam
        )
        self.assertGreaterEqual(Sweep(place, SCENARIOS[scenario]).run(), FEWEST_MOMENTS)

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
