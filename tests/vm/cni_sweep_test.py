# SPDX-License-Identifier: Apache-2.0
"""sluice-cni killed before every system call of ADD and DEL that kill-at knows, on real VFs, with
VLAN, MAC, spoofchk and trust off. The sweep itself is tests/cni/sweep, and runs in the guest."""

from __future__ import annotations

from cni_case import BIN, HERE, PROGRAMS, CniTest
from lane import ROOT

# Repair and GC after it are swept on simulated VFs: they undo by the same code.
SCENARIOS = ("add", "del", "add-then-pod-dies")
SECONDS = 900.0


class CniSweepTest(CniTest):
    vfs_wanted = len(SCENARIOS)

    def test_killed_anywhere(self) -> None:
        self.vm.check(f"cp {PROGRAMS}/kill-at {BIN}")
        program = ROOT / "tests/cni/sweep/in_guest.py"
        output = self.vm.run(
            f"/usr/bin/python3 {program} {BIN} {HERE}/sweep pf0 {' '.join(SCENARIOS)}",
            timeout=SECONDS,
        )
        print(output.stdout)
        self.assertEqual(output.status, 0, output.stdout + output.stderr)
        self.assertEqual(output.stdout.count(" moments, "), len(SCENARIOS))
