# SPDX-License-Identifier: Apache-2.0
"""Kills sluice-cni before each call that changes anything, and looks at what is left.

A round: a call is killed at its Nth changing system call (tests/support/kill_at), then comes what a
runtime or an operator would do, after which everything must be as before, and another pod must get
the same device. N goes up until the call isn't killed any more. Where it runs is a Place.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Callable, Protocol

KILLED = 99  # kill-at's exit status
MOST_CALLS = 2000
FEWEST_MOMENTS = 10  # of an ADD or DEL: each journals, and moves a link or makes and removes one


@dataclass(frozen=True)
class Pod:
    container: str
    netns: str


@dataclass(frozen=True)
class Answer:
    code: int
    said: str  # stdout and stderr

    @property
    def killed(self) -> bool:
        return self.code == KILLED


class Place(Protocol):
    """A device on a node, for one pod after the other. Contract: look() says everything that
    attachments change and must not leave changed, and waits for what the node does by itself after
    a pod's death."""

    def make_pod(self) -> Pod: ...  # a new one; its namespace may be a former one's
    def end_pod(self, pod: Pod) -> None: ...  # its namespace goes
    def call(self, verb: str, pod: Pod, kill_at: int | None = None) -> Answer: ...
    def collect(self) -> Answer: ...  # GC, no attachment is valid
    def repair(self) -> Answer: ...
    def look(self) -> dict[str, Any]: ...
    def forget_baseline(self) -> None: ...  # as if discovery hadn't seen the device yet


@dataclass(frozen=True)
class Scenario:
    name: str
    killed: str  # verb
    pod_dies: bool  # before the cleanup
    cleanup: str  # "DEL" (twice), "GC", "repair"
    without_baseline: bool = False


SCENARIOS = {
    each.name: each
    for each in (
        Scenario("add", "ADD", pod_dies=False, cleanup="DEL", without_baseline=True),
        Scenario("del", "DEL", pod_dies=False, cleanup="DEL"),
        Scenario("add-then-pod-dies", "ADD", pod_dies=True, cleanup="DEL"),
        Scenario("add-then-pod-dies-repair", "ADD", pod_dies=True, cleanup="repair"),
        Scenario("add-then-gc", "ADD", pod_dies=False, cleanup="GC"),
    )
}


class LeftOver(Exception):
    """Not everything was as before."""


class NotSwept(Exception):
    """The call wasn't killed at as many moments as it must have."""


class Sweep:
    def __init__(self, place: Place, scenario: Scenario) -> None:
        self._place = place
        self._scenario = scenario
        self._story: list[str] = []

    def run(self) -> int:
        """How many moments there were."""
        self._successor()  # what a node has from its first attachment on: lock files, baselines
        before = self._place.look()
        for moment in range(1, MOST_CALLS):
            self._story = [f"{self._scenario.name}, killed at {moment}"]
            if not self._round(moment, before):
                self._compare(before, "after the last pod had it")
                return self._enough(moment - 1)
        raise LeftOver(f"{self._scenario.name} makes more than {MOST_CALLS} changes")

    def _enough(self, moments: int) -> int:
        if moments >= FEWEST_MOMENTS:
            return moments
        raise NotSwept(self._told(f"killed at {moments} moments; at least {FEWEST_MOMENTS} exist"))

    def _round(self, moment: int, before: dict[str, Any]) -> bool:
        scenario, place = self._scenario, self._place
        if scenario.without_baseline:
            place.forget_baseline()
        pod = place.make_pod()
        if scenario.killed == "DEL":
            self._succeeds("ADD", lambda: place.call("ADD", pod))
        answer = place.call(scenario.killed, pod, kill_at=moment)
        self._story.append(f"{scenario.killed} ended with {answer.code}: {answer.said}")
        if not answer.killed and answer.code != 0:
            raise LeftOver(self._told("it was not killed, and failed"))
        if scenario.pod_dies:
            place.end_pod(pod)
        self._clean_up(pod)
        # What the successor may leave, the next round's look would find.
        self._compare(before, "after the cleanup")
        if scenario.killed != "DEL":  # else the next round begins with its ADD
            self._successor()
        return answer.killed

    def _clean_up(self, pod: Pod) -> None:
        place = self._place
        if self._scenario.cleanup == "GC":
            self._succeeds("GC", place.collect)
        elif self._scenario.cleanup == "repair":
            self._succeeds("repair", place.repair)
        else:
            for _ in range(2):
                self._succeeds("DEL", lambda: place.call("DEL", pod))

    def _successor(self) -> None:
        pod = self._place.make_pod()
        for verb in ("ADD", "DEL"):
            self._succeeds(f"the next pod's {verb}", lambda: self._place.call(verb, pod))

    def _succeeds(self, what: str, work: Callable[[], Answer]) -> None:
        answer = work()
        self._story.append(f"{what} ended with {answer.code}: {answer.said}")
        if answer.code != 0:
            raise LeftOver(self._told(f"{what} failed"))

    def _compare(self, before: dict[str, Any], when: str) -> None:
        now = self._place.look()
        if now == before:
            return
        changes = [
            f"{key}: {json.dumps(before.get(key))} is {json.dumps(now.get(key))}"
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key)
        ]
        raise LeftOver(self._told(f"{when}:\n  " + "\n  ".join(changes)))

    def _told(self, what: str) -> str:
        return "\n".join([what, *self._story])
