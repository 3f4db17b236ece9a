#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The sweep in the test lane's guest: in_guest.py PROGRAMS FOLDER PF SCENARIO...

Each scenario has a VF of the PF, and there is one at a time on each processor: a program and the
one that traces it are faster on the same one than on two.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from sweep.core import SCENARIOS, Sweep  # noqa: E402
from sweep.igb_place import IgbPlace  # noqa: E402


def main(programs: str, folder: str, pf: str, *names: str) -> int:
    processors = sorted(os.sched_getaffinity(0))

    def sweep(index: int, name: str) -> str:
        place = IgbPlace(Path(programs), Path(folder) / name, pf, index)
        started = time.monotonic()
        moments = Sweep(place, SCENARIOS[name]).run()
        return f"{name}: {moments} moments, {time.monotonic() - started:.0f} s"

    def pin() -> None:
        os.sched_setaffinity(0, {free.pop()})  # of this thread, and what it starts

    free = list(processors)
    failed = 0
    with ThreadPoolExecutor(len(processors), initializer=pin) as pool:
        for job in [pool.submit(sweep, *each) for each in enumerate(names)]:
            try:
                print(job.result(), flush=True)
            except Exception as error:  # noqa: BLE001  (whatever it is, the others go on)
                print(f"FAILED: {error}", flush=True)
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
