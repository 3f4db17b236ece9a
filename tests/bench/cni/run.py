# SPDX-License-Identifier: Apache-2.0
"""All parts, one after the other. One that fails fails the benchmark, and not the others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import lane  # noqa: F401  first of lane and lab: it says where labs live
from lab.ending import end_on_signals
from lab.shell import LabError

import node_part
import start_part
import vm_part
from calls import CallFailed
from programs import find_programs, say


def main(build: Path) -> int:
    end_on_signals()
    try:
        programs = find_programs(build)
    except LabError as error:
        say(str(error))
        return 1
    failed = 0
    for part in (start_part, node_part, vm_part):
        try:
            part.measure(programs)
        except (LabError, CallFailed, OSError, subprocess.SubprocessError) as error:
            say(f"{part.__name__}: {error}")
            failed = 1
    return failed
