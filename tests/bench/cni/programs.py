# SPDX-License-Identifier: Apache-2.0
"""The programs that are measured, and those to measure them with."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.shell import LabError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PROVIDE_SECONDS = 900  # the first time, they are built


def say(text: str) -> None:
    print(f"cni: {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Programs:
    folder: Path  # of the built ones
    peer: Path | None  # sriov-cni
    plugins: Path | None  # the CNI project's: host-local, bridge

    def built(self, name: str) -> Path:
        return self.folder / name


def find_programs(build: Path) -> Programs:
    folder = build / "bin"
    needed = ("sluice-cni", "sluice-offloadd", "sluicectl", "cni-calls")
    missing = [name for name in needed if not os.access(folder / name, os.X_OK)]
    if missing:
        raise LabError(f"{', '.join(missing)} not found in {folder}: build the target benchmarks")
    return Programs(folder, _provided("peers", "sriov-cni"), _provided("cni-tools"))


def _provided(script: str, *words: str) -> Path | None:
    """What a script of ours prints; it says itself why there is none."""
    done = subprocess.run(
        [ROOT / "scripts" / script, *words], stdout=subprocess.PIPE, text=True,
        timeout=PROVIDE_SECONDS,
    )  # fmt: skip
    return Path(done.stdout.strip()) if done.returncode == 0 else None
