# SPDX-License-Identifier: Apache-2.0
"""The steps of the demo: run, told in plain words, counted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import Callable

from lab import evidence
from lab.cluster import Cluster
from lab.shell import LabError, tail

PROBLEMS = (
    "container to container",
    "pod to pod",
    "pod to service",
    "external to service",
    "limits and faults",
)


class Failed(LabError):
    """Something is not as it must be."""


def expect(condition: object, otherwise: str) -> None:
    if not condition:
        raise Failed(otherwise)


class Carrier(Enum):
    """What a step's packets must have been seen by, or the step did not show what it says."""

    NOBODY = "nobody"  # it sends nothing through an eswitch
    ENGINE = "an engine"  # rules or slow path
    NIC = "rules in the NIC"


@dataclass(frozen=True)
class Step:
    problem: str
    title: str
    run: Callable[[], str]  # what was seen, in one clause; raises LabError when it did not hold
    carrier: Carrier = Carrier.NIC


def require_carrier(carrier: Carrier, difference: evidence.Difference, heard: str) -> None:
    in_rules = difference.hardware + difference.software
    counted = in_rules if carrier is Carrier.NIC else in_rules + difference.slow
    expect(
        carrier is Carrier.NOBODY or counted > 0,
        f"{heard}; but {carrier.value} counted none of its packets",
    )


@dataclass
class Outcome:
    step: Step
    passed: bool
    hardware: int
    slow: int


class Report:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._started = time.monotonic()
        self.outcomes: list[Outcome] = []
        self.troubles: list[str] = []

    def run(self, step: Step) -> bool:
        """False: a program of the lab is dead, further steps would only say so again."""
        heard, passed, difference = "", True, evidence.Difference()
        try:
            before = self._cluster.snapshot()
            heard = step.run()
            difference = evidence.difference(before, self._cluster.snapshot())
            require_carrier(step.carrier, difference, heard)
        except LabError as error:
            passed, heard = False, str(error)
        mark = "✔" if passed else "✘"
        print(f"  {mark} {step.title}: {heard}", flush=True)
        if passed:
            words = difference.words(self._cluster.owner_names())
            print(f"      {'; '.join(words)}", flush=True)
        slow, hardware = difference.slow, difference.hardware + difference.software
        self.outcomes.append(Outcome(step, passed, hardware, slow))
        dead = self._cluster.dead()
        for child in dead:
            self.trouble(f"{child.name} {child.how_it_ended()}; the end of its log:")
            print(tail(child.log), flush=True)
        return not dead

    def trouble(self, text: str) -> None:
        """What is wrong with the whole and not with one step."""
        self.troubles.append(text)
        print(f"  ✘ {text}", flush=True)

    def print_table(self) -> None:
        width = max(len(problem) for problem in PROBLEMS)
        print(f"\n  {'problem':<{width}}  steps  passed  in the NIC  slow path")
        for problem in PROBLEMS:
            mine = [outcome for outcome in self.outcomes if outcome.step.problem == problem]
            passed = sum(outcome.passed for outcome in mine)
            hardware = sum(outcome.hardware for outcome in mine)
            slow = sum(outcome.slow for outcome in mine)
            mark = "✔" if mine and passed == len(mine) else "✘"
            print(
                f"{mark} {problem:<{width}}  {len(mine):>5}  {passed:>6}  {hardware:>10}  {slow:>9}"
            )

    def finish(self) -> int:
        failed = [outcome for outcome in self.outcomes if not outcome.passed]
        seconds = time.monotonic() - self._started
        print(f"\n{len(self.outcomes)} steps in {seconds:.1f} s", end="")
        if not failed and not self.troubles and self.outcomes:
            print(": everything held")
            return 0
        others = f", {len(self.troubles)} other troubles" if self.troubles else ""
        print(f": {len(failed)} failed{others}")
        for outcome in failed:
            print(f"  ✘ {outcome.step.problem}: {outcome.step.title}")
        for text in self.troubles:
            print(f"  ✘ {text}")
        return 1
