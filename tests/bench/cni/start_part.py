# SPDX-License-Identifier: Apache-2.0
"""What a call costs before it does anything: exec to the answer to VERSION; and the size."""

from __future__ import annotations

import tempfile
from pathlib import Path

from calls import Call, Caller
from figures import percentile, report, wanted
from programs import Programs

RUNS = 5
STARTS = 20  # a run
START, SIZE = "cni.start", "cni.size"


def measure(programs: Programs) -> None:
    plugins = [programs.built("sluice-cni"), *([programs.peer] if programs.peer else [])]
    if wanted((START,)):
        runs = _starts(programs, plugins)
        report(START, "ms", runs[0], runs[1] if programs.peer else None)
    sizes = [plugin.stat().st_size / 1e6 for plugin in plugins]
    report(SIZE, "MB", sizes[:1], sizes[1:])


def _starts(programs: Programs, plugins: list[Path]) -> list[list[float]]:
    """The median of each run."""
    with tempfile.TemporaryDirectory(prefix="bench-cni-") as folder:
        caller = Caller(str(programs.built("cni-calls")), Path(folder))
        calls = [
            caller.prepare(Call(str(plugin), {"CNI_COMMAND": "VERSION"}, "{}"))
            for plugin in plugins
        ]
        times = [caller.make([[call] for call in calls] * STARTS) for _ in range(RUNS)]
    step = len(plugins)
    return [
        [percentile((time for (time,) in run[first::step]), 50) for run in times]
        for first in range(step)
    ]
