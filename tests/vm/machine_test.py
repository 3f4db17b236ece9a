# SPDX-License-Identifier: Apache-2.0
"""The machine itself: commands, their output and their end; files; many at a time."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lane.agent import TIMED_OUT
from lane.case import VmTest

PATIENCE = 30.0


class CommandTest(VmTest):
    def test_status_and_both_outputs(self) -> None:
        output = self.vm.run("echo out; echo err >&2; exit 7")
        self.assertEqual((output.status, output.stdout, output.stderr), (7, "out\n", "err\n"))

    def test_stdin(self) -> None:
        text = "".join(f"line {number}\n" for number in range(50_000))
        self.assertEqual(self.vm.check("cat", stdin=text), text)
        self.assertEqual(self.vm.check("cat"), "")

    def test_one_that_takes_too_long_is_killed(self) -> None:
        output = self.vm.run("echo begun; sleep 98765", timeout=3.0)
        self.assertEqual((output.status, output.stdout), (TIMED_OUT, "begun\n"))
        self.assertEqual(self.vm.run("pgrep -fx 'sleep 98765'").stdout, "")

    def test_the_background(self) -> None:
        job = self.vm.start("echo ready; exec sleep 1000")
        job.wait_written("ready\n", PATIENCE)
        self.assertEqual(self.vm.check("echo beside it"), "beside it\n")
        self.assertTrue(job.running())
        job.signal(signal.SIGKILL)
        self.assertEqual(job.wait(PATIENCE).status, 128 + signal.SIGKILL)

    def test_what_a_command_leaves_running_does_not_hold_it(self) -> None:
        pid = self.vm.check("sleep 1000 & echo $!").strip()
        self.vm.check(f"kill {pid}")

    def test_many_at_a_time(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            outputs = list(pool.map(lambda number: self.vm.run(f"exit {number}"), range(24)))
        self.assertEqual([output.status for output in outputs], list(range(24)))


class FileTest(VmTest):
    def test_there_and_back(self) -> None:
        content = bytes(range(256)) * 1000
        path = self.vm.put("there", content)
        self.vm.check(f"cp {path} /tmp/here")
        self.assertEqual(self.vm.get("/tmp/here"), content)

    def test_the_root_is_the_hosts_and_is_not_written(self) -> None:
        here = Path(__file__).resolve()
        self.assertEqual(self.vm.get(str(here)), here.read_bytes())
        mark = here.with_name("written-in-the-guest")
        self.vm.check(f"echo x > {mark} && test -e {mark}")
        self.assertFalse(mark.exists())
