# SPDX-License-Identifier: Apache-2.0
"""Tests of a folder that share one thing that is slow to make: chosen by words, run, timed."""

from __future__ import annotations

import sys
import time
import unittest
from pathlib import Path

from lab.shell import LabError


def find_tests(folder: Path, words: list[str]) -> unittest.TestSuite:
    """Those whose name has one of `words`; all, if there is none. A module that can't be loaded is
    a test that fails, whatever is asked for."""
    found = unittest.defaultTestLoader.discover(str(folder), "*_test.py")
    suite = _select(found, words)
    if suite.countTestCases() == 0:
        raise LabError(f"no test has {' or '.join(words)} in its name")
    return suite


def run_tests(suite: unittest.TestSuite) -> bool:
    """Whether all of them passed, and there was one."""
    runner = unittest.TextTestRunner(verbosity=2, stream=sys.stdout, resultclass=_TimedResult)
    result = runner.run(suite)
    return result.wasSuccessful() and result.testsRun > 0


class _TimedResult(unittest.TextTestResult):
    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        self.started = time.monotonic()
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.started:.1f} s")
        self.stream.flush()


def _select(tests: unittest.TestSuite, words: list[str]) -> unittest.TestSuite:
    chosen = unittest.TestSuite()
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            chosen.addTests(_select(test, words))
        elif type(test).__name__ == "_FailedTest" or not words:
            chosen.addTest(test)
        elif any(word in test.id() for word in words):
            chosen.addTest(test)
    return chosen
