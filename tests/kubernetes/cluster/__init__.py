# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes on this machine: two nodes in namespaces, made for tests and for people.

Names, processes and the removal of what a dead holder left are the lab's (tests/netns/lab). A
folder of its own keeps demo and cluster apart: `make demo-down` leaves a cluster alone.
"""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
ROOT = TESTS.parent
if str(TESTS / "netns") not in sys.path:
    sys.path.insert(0, str(TESTS / "netns"))
os.environ["SLUICE_LAB_DIR"] = os.environ.get("SLUICE_CLUSTER_DIR", "/run/sluice-kube")
