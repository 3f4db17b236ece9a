# SPDX-License-Identifier: Apache-2.0
"""Samples of ours and the peer, and the lines that scripts/bench records."""

from __future__ import annotations

import math
import os
import statistics
from typing import Iterable, Sequence

ONLY = os.environ.get("SLUICE_BENCH_ONLY", "")


def wanted(names: Iterable[str]) -> bool:
    return any(name.startswith(ONLY) for name in names)


def percentile(samples: Iterable[float], percent: int) -> float:
    """The smallest sample that so many percent don't exceed."""
    ordered = sorted(samples)
    return ordered[max(1, math.ceil(percent * len(ordered) / 100)) - 1]


def report(name: str, unit: str, ours: Sequence[float], peer: Sequence[float] | None) -> None:
    """One value a run of each; what counts is their median."""
    if not name.startswith(ONLY):
        return
    for whose, samples in (("ours", ours), ("peer", peer or ())):
        if samples:
            print(f"RAW {name} {whose}", *(f"{each:.4g}" for each in samples))
    median = statistics.median(ours)
    spread = (max(ours) - min(ours)) / median
    beside = "peer=absent ratio=-"
    if peer:
        other = statistics.median(peer)
        beside = f"peer={other:.4g} ratio={median / other:.4g}"
    print(
        f"BENCH {name} ours={median:.4g} {beside} unit={unit} runs={len(ours)} spread={spread:.3f}",
        flush=True,
    )


def report_percent(
    name: str, percent: int, ours: Sequence[Sequence[float]], peer: Sequence[Sequence[float]] | None
) -> None:
    """Of milliseconds, many a run: a percentile of each run."""
    report(
        f"{name}.p{percent}",
        "ms",
        [percentile(run, percent) for run in ours],
        [percentile(run, percent) for run in peer] if peer else None,
    )
