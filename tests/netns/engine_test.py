#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine as a process: idle, killed and started again, and unable to start.

Needs root and the built programs (SLUICE_BIN).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from lab.cast import Cast  # noqa: E402
from lab.cluster import Cluster  # noqa: E402
from lab.crossings import crossings, works  # noqa: E402
from lab.manifest import read_manifest  # noqa: E402
from lab.names import NETNS_DIR, PREFIX, checkout_hash, project_root  # noqa: E402
from lab.node import Node  # noqa: E402
from lab.programs import find_programs, require_privileges, require_tools  # noqa: E402
from lab.shell import run, wait_until  # noqa: E402
from lab.wire import UPLINK  # noqa: E402

SAMPLE = project_root() / "deploy/samples/demo.yaml"
IDLE_SECONDS = 5
IDLE_SHARE = 0.02  # of one core


def setUpModule() -> None:
    require_privileges()
    require_tools()
    find_programs()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads (proc(5), stat fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def engine_pid(node: Node) -> int:
    """nsenter and setpriv become the engine by exec, so the child's process id is the engine's."""
    assert node.engine is not None
    program = Path(f"/proc/{node.engine.pid}/exe").resolve().name
    assert program == "sluice-offloadd", f"{node.engine.pid} is {program}"
    return node.engine.pid


class Running(unittest.TestCase):
    cluster: Cluster
    cast: Cast

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster(read_manifest(SAMPLE), find_programs())
        cls.addClassCleanup(cls._take_down)
        cls.cluster.up()
        cls.cast = Cast(cls.cluster)

    @classmethod
    def _take_down(cls) -> None:
        left = cls.cluster.down()
        if left:
            raise AssertionError(f"left behind: {left}")

    def test_an_idle_engine_sleeps(self) -> None:
        pids = {node.name: engine_pid(node) for node in self.cluster.nodes.values()}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        time.sleep(IDLE_SECONDS)
        for name, pid in pids.items():
            with self.subTest(name):
                used = cpu_seconds(pid) - before[name]
                self.assertLessEqual(used, IDLE_SECONDS * IDLE_SHARE)

    def test_a_killed_engine_is_taken_over_from(self) -> None:
        """Pods keep their interfaces and addresses; everything crosses again."""
        node = self.cast.home
        before = {p["name"]: p["pod"] for p in node.ctl("ports")["ports"] if p["pod"]}
        assert node.engine is not None
        os.kill(engine_pid(node), signal.SIGKILL)
        node.engine.process.wait(10)
        node.restart_engine(self.cluster.watched)
        after = {p["name"]: p["pod"] for p in node.ctl("ports")["ports"] if p["pod"]}
        self.assertEqual(after, before)
        for name, attempt in crossings(self.cluster, self.cast):
            with self.subTest(name):
                wait_until(f"{name} after the restart", lambda: works(attempt), 15.0)

    def test_an_engine_that_is_refused_leaves_the_running_one_its_attachments(self) -> None:
        node = self.cast.home
        kept = node.run_dir / "attachments"
        before = kept.read_bytes()
        self.assertNotEqual(before, b"")
        for words, uplink in (("another engine", UPLINK), ("eth7", "eth7")):
            with self.subTest(words):
                command = self.engine_command(node, uplink)
                done = run(command, netns=node.netns, check=False, timeout=30)
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)
                self.assertEqual(kept.read_bytes(), before)
        for name, attempt in crossings(self.cluster, self.cast):
            with self.subTest(name):
                attempt()

    def test_a_start_that_fails_forgets_no_pod(self) -> None:
        """The engine is killed, its successor fails, the next one knows the pods all the same."""
        node = self.cast.home
        before = {p["name"]: p["pod"] for p in node.ctl("ports")["ports"] if p["pod"]}
        kept = (node.run_dir / "attachments").read_bytes()
        command = self.engine_command(node, "eth7")
        assert node.engine is not None
        os.kill(engine_pid(node), signal.SIGKILL)
        node.engine.process.wait(10)
        try:
            done = run(command, netns=node.netns, check=False, timeout=30)
            self.assertEqual(done.returncode, 1)
            self.assertIn("eth7", done.stderr)
            self.assertEqual((node.run_dir / "attachments").read_bytes(), kept)
        finally:
            node.restart_engine(self.cluster.watched)
        after = {p["name"]: p["pod"] for p in node.ctl("ports")["ports"] if p["pod"]}
        self.assertEqual(after, before)

    @staticmethod
    def engine_command(node: Node, uplink: str) -> list[str]:
        """As the running one was started, by another uplink."""
        words = Path(f"/proc/{engine_pid(node)}/cmdline").read_text().split("\0")[:-1]
        words[words.index("--uplink") + 1] = uplink
        return words


class Starting(unittest.TestCase):
    """What keeps an engine from starting is said in its last line, and nothing is left."""

    def setUp(self) -> None:
        name = f"{PREFIX}{checkout_hash()}{os.getpid():x}-start"
        self.netns = NETNS_DIR / name
        run(["ip", "netns", "add", self.netns.name])
        self.addCleanup(run, ["ip", "netns", "del", self.netns.name])
        run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "wire"], netns=self.netns)
        run(["ip", "address", "add", "172.30.0.11/24", "dev", "eth0"], netns=self.netns)
        run(["ip", "link", "set", "eth0", "up"], netns=self.netns)
        directory = tempfile.TemporaryDirectory(prefix="sluice-start-")
        self.addCleanup(directory.cleanup)
        self.run_dir = Path(directory.name) / "run"
        self.rep_netns = NETNS_DIR / f"{name}-rep"

    def command(self, manifest: Path = SAMPLE, more: tuple[str, ...] = ()) -> list[str]:
        return [
            str(find_programs().path("sluice-offloadd")),
            "--node", "node-a", "--manifest", str(manifest), "--run-dir", str(self.run_dir),
            "--rep-netns", str(self.rep_netns), "--remove-on-exit", *more,
        ]  # fmt: skip

    def refused(self, command: list[str], *words: str) -> None:
        done = run(command, netns=self.netns, check=False, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, " ".join(done.stderr.strip().splitlines()[-2:]))
        self.assertFalse(self.rep_netns.exists())
        links = run(["ip", "-br", "link"], netns=self.netns).stdout
        for name in ("sluice0", "node0", "eth0v0"):
            self.assertNotIn(name, links)

    def test_dpdk_that_can_not_start(self) -> None:
        self.refused(["prlimit", "--as=300000000", *self.command()], "DPDK", "memory")

    def test_an_uplink_that_is_not_there(self) -> None:
        self.refused(self.command(more=("--uplink", "eth7")), "eth7")

    def test_more_vfs_than_ports(self) -> None:
        self.refused(self.command(more=("--vfs", "31")), "31", "30")

    def test_a_manifest_directory_that_is_not_there(self) -> None:
        self.refused(self.command(Path("/nonexistent/cluster.yaml")), "/nonexistent")

    def test_without_the_privilege(self) -> None:
        self.refused(
            ["setpriv", "--bounding-set", "-net_admin", *self.command()], "CAP_NET_ADMIN"
        )

    def test_a_second_engine_in_one_run_directory(self) -> None:
        first = subprocess.Popen(
            ["nsenter", f"--net={self.netns}", *self.command()],
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until("the first engine", (self.run_dir / "offload.sock").exists, 20.0)
            done = run(self.command(), netns=self.netns, check=False, timeout=30)
            self.assertEqual(done.returncode, 1)
            self.assertIn("another engine", done.stderr)
        finally:
            first.terminate()
            self.assertEqual(first.wait(20), 0)
        self.assertFalse(self.rep_netns.exists())


if __name__ == "__main__":
    unittest.main()
