# SPDX-License-Identifier: Apache-2.0
"""A virtual machine with SR-IOV network cards, for tests and for people.

Names, processes and the removal of what a dead holder left are the lab's (tests/netns/lab), in a
folder of the machines' own.
"""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
ROOT = TESTS.parent
if str(TESTS / "netns") not in sys.path:
    sys.path.insert(0, str(TESTS / "netns"))
os.environ["SLUICE_LAB_DIR"] = os.environ.get("SLUICE_VM_DIR", "/run/sluice-vm")
