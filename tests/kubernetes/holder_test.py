# SPDX-License-Identifier: Apache-2.0
"""A second cluster beside the first, and its end without a goodbye."""

import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from cluster import ROOT, case, cgroups, workloads
from cluster.binaries import provide
from cluster.cluster import Cluster
from cluster.kubectl import is_ready
from lab import state
from lab.names import Names
from lab.shell import wait_until

SCRIPT = [sys.executable, str(ROOT / "scripts/kubernetes")]


class KilledHolder(unittest.TestCase):
    def test_a_killed_holder_leaves_nothing_for_long(self) -> None:
        bin_dir = case.ClusterTest.cluster.bin_dir
        holder = subprocess.Popen(
            [*SCRIPT, "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "SLUICE_BIN": str(bin_dir)},
        )  # fmt: skip
        self.addCleanup(self._end, holder)
        assert holder.stdout is not None
        ready, _, instance = holder.stdout.readline().strip().partition(" ")
        self.assertEqual(ready, "READY")
        names = Names(instance)
        cluster = Cluster.attach(instance, provide(), bin_dir)
        self._run_a_pod(cluster)
        self.assertEqual(len(cluster.nodes["n1"].tasks()), 2)  # its sandbox, its container

        holder.send_signal(signal.SIGKILL)
        holder.wait()
        # Its programs go with it, containers included.
        wait_until(
            "the killed cluster's processes to end",
            lambda: not [left for left in state.leftovers(names) if left.startswith("process")],
            20.0,
            why_not=lambda: "; ".join(state.leftovers(names)),
        )
        # Namespaces, files and cgroups go with the next one that claims a lab.
        self.assertNotEqual(cgroups.present(names), [])
        subprocess.run([*SCRIPT, "reap"], check=True, timeout=60)
        self.assertEqual(state.leftovers(names) + cgroups.present(names), [])
        for node in case.ClusterTest.cluster.nodes.values():
            node.require_all_running()

    def test_reaping_takes_cgroups_of_other_checkouts_but_none_in_use(self) -> None:
        # Ids that nobody can have: process ids end at 2^22.
        dead, used = Names(f"000000{'f' * 8}"), Names(f"000000{'e' * 8}")
        self.addCleanup(cgroups.remove, used)
        self.addCleanup(cgroups.remove, dead)
        for names in (dead, used):
            cgroups.make(names, "n1")
        sleeper = subprocess.Popen(["sleep", "600"])
        self.addCleanup(sleeper.wait)
        self.addCleanup(sleeper.kill)
        folder = Path(cgroups.present(used)[0].removeprefix("cgroup ")) / "inner"
        folder.mkdir()
        cgroups.inherit_cpuset(folder.parent, folder)
        (folder / "cgroup.procs").write_text(str(sleeper.pid))
        held = cgroups.present(used)

        subprocess.run([*SCRIPT, "reap"], check=True, timeout=60)
        self.assertEqual(cgroups.present(dead), [])
        self.assertEqual(cgroups.present(used), held)
        for node in case.ClusterTest.cluster.nodes.values():
            node.require_all_running()

    def _run_a_pod(self, cluster: Cluster) -> None:
        cluster.kubectl.apply(workloads.pod("last", node="n1"))
        cluster.kubectl.wait(
            "a pod to be Ready", lambda: is_ready(cluster.kubectl.get("pod", "last"))
        )

    @staticmethod
    def _end(holder: subprocess.Popen) -> None:
        if holder.poll() is None:
            holder.terminate()
        holder.wait(60)
        for stream in (holder.stdin, holder.stdout):
            if stream is not None:
                stream.close()
