# SPDX-License-Identifier: Apache-2.0
"""Memory files that DPDK programs can leave behind: hugepage maps, runtime dirs, shared memory.

They carry no lab's name, so a new one counts as left behind only if no living process holds it:
another program's, started meanwhile, is held by that program.
"""

from __future__ import annotations

import os
from pathlib import Path

PLACES = (Path("/dev/hugepages"), Path("/run/dpdk"), Path("/dev/shm"))


def present() -> set[Path]:
    found: set[Path] = set()
    for place in PLACES:
        for folder, _, files in os.walk(place):
            found.update(Path(folder) / name for name in files)
    return found


def orphans(before: set[Path]) -> list[Path]:
    """Those that came since and that nobody holds."""
    fresh = present() - before
    # Another program's may have gone with it between the two looks.
    return sorted(path for path in fresh - _held() if path.exists()) if fresh else []


def _held() -> set[Path]:
    held: set[Path] = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            lines = (process / "maps").read_text().splitlines()
            descriptors = list((process / "fd").iterdir())
        except OSError:
            continue  # it ended
        for descriptor in descriptors:
            try:
                held.add(Path(os.readlink(descriptor)))
            except OSError:
                continue  # closed meanwhile
        held.update(Path(line.split(None, 5)[5]) for line in lines if line.count("/"))
    return held
