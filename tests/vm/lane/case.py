# SPDX-License-Identifier: Apache-2.0
"""What every test of this lane is: a case with the shared virtual machine, as after booting."""

from __future__ import annotations

import unittest

from lane.guest import Guest
from lane.machine import VirtualMachine


class VmTest(unittest.TestCase):
    """`self.vm` is up; `self.guest` does in it what tests do again and again. Each class finds the
    guest without namespaces, VFs and simulated devices; what is in setUpClass is there for all of
    its tests, which clean up what they do themselves."""

    vm: VirtualMachine
    guest: Guest

    @classmethod
    def setUpClass(cls) -> None:
        cls.guest = Guest(cls.vm)
        cls.guest.reset()
