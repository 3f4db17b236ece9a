#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is done while the engine is away, and what the engine makes of it when it is there again:
sluice-cni and sluice-offloadd agree on the files between them.

Needs root and the built programs (SLUICE_BIN).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from runtime import NODE, Answer, OneNode  # noqa: E402

from lab.cluster import PLAIN_PORT  # noqa: E402  (runtime knows where lab is)
from lab.crossings import works  # noqa: E402
from lab.shell import wait_until  # noqa: E402
from lab.traffic import Agent  # noqa: E402
from pf_standin import PfStandIn  # noqa: E402

NODE_ADDRESS = "10.77.0.1"  # of the node's pod block: behind the engine
WITHOUT_OFFLOAD = 111
SECONDS = 15.0


class EngineAway(OneNode):
    def setUp(self) -> None:
        super().setUp()
        self.pending = self.node.run_dir / "pending"
        self.pf = PfStandIn(self.node)
        self._away = ExitStack()
        self.addCleanup(self.start_engine)

    # --- the engine -----------------------------------------------------------------------------

    def stop_engine(self) -> None:
        """Killed, as one that is crashing or updated."""
        engine = self.node.engine
        assert engine is not None
        os.kill(engine.pid, signal.SIGKILL)
        engine.process.wait(10)
        self._away.enter_context(self.pf)

    def start_engine(self) -> None:
        assert self.node.engine is not None
        if self.node.engine.alive():
            return
        self._away.close()
        self.node.restart_engine(self.cluster.watched)

    def files(self) -> list[str]:
        """What lies there for the engine."""
        return sorted(path.suffix for path in self.pending.iterdir())

    def known_to_engine(self) -> list[str]:
        """Whose rules it has."""
        owners = {flow.get("owner", "") for flow in self.node.ctl("flows")["flows"]}
        return sorted(owner for owner in owners if owner.startswith("attachment/"))

    # --- attachments ----------------------------------------------------------------------------

    def call(self, verb: str, pod: Path, plugin: dict[str, Any], **more: Any) -> Answer:
        return self.runtime.call(
            verb, self.config("net", plugin, **more),
            CONTAINERID=pod.name, NETNS=str(pod), IFNAME="eth0",
        )  # fmt: skip

    def works(self, verb: str, pod: Path, plugin: dict[str, Any], **more: Any) -> Answer:
        answer = self.call(verb, pod, plugin, **more)
        self.assertEqual(answer.code, 0, f"{verb}: {answer.out}{answer.err}")
        return answer

    def attach(self, pod: Path, plugin: dict[str, Any]) -> dict[str, Any]:
        result = self.works("ADD", pod, plugin).json()
        self.addCleanup(self.call, "DEL", pod, plugin)
        self.addCleanup(self.start_engine)  # comes first
        return result

    def kinds(self) -> list[dict[str, Any]]:
        """A veth and a VF, on a node whose engine has answered once."""
        devices: tuple[dict[str, Any], ...] = ({}, {"deviceID": self.devices()[0]})
        kinds = [self.sluice(offload="optional", **device) for device in devices]
        for plugin in kinds:
            first = self.make_pod()
            self.works("ADD", first, plugin)
            self.works("DEL", first, plugin)
        return kinds

    def check_traffic(self, pod: Path) -> None:
        agent = Agent(pod.name, pod, self.node.logs / f"{pod.name}-agent.log")
        self.cluster.owner.adopt(agent.child)
        try:
            wait_until(
                "the pod's traffic by the engine",
                lambda: works(lambda: agent.ask_tcp(NODE_ADDRESS, PLAIN_PORT, timeout=1.5)),
                SECONDS,
            )
            self.assertEqual(agent.ask_tcp(NODE_ADDRESS, PLAIN_PORT).name, NODE)
        finally:
            agent.stop()

    def check_nothing_is_left(self) -> None:
        wait_until("the engine to take the files", lambda: self.files() == [], SECONDS)
        wait_until(
            "the engine to have no rules of it",
            lambda: self.known_to_engine() == [],
            SECONDS,
            why_not=lambda: json.dumps(self.known_to_engine()),
        )
        self.check_footprint()

    # --- scenarios ------------------------------------------------------------------------------

    def test_attached_without_an_engine_and_taken_in_by_the_next_one(self) -> None:
        for plugin in self.kinds():
            with self.subTest(device=plugin.get("deviceID")):
                pod = self.make_pod()
                self.stop_engine()
                result = self.attach(pod, plugin)
                self.assertEqual(self.files(), [""])
                waiting = self.call("CHECK", pod, plugin, prevResult=result)
                self.assertEqual(waiting.json().get("code"), WITHOUT_OFFLOAD, waiting)

                self.start_engine()
                wait_until("the engine to take it in", lambda: self.files() == [], SECONDS)
                self.works("CHECK", pod, plugin, prevResult=result)
                self.assertEqual(self.known_to_engine(), [f"attachment/{pod.name}/eth0"])
                self.check_traffic(pod)

                self.stop_engine()
                self.works("DEL", pod, plugin)
                self.assertEqual(self.files(), [".gone"])
                self.start_engine()
                self.check_nothing_is_left()

    def test_undone_before_any_engine_has_seen_it(self) -> None:
        for plugin in self.kinds():
            with self.subTest(device=plugin.get("deviceID")):
                pod = self.make_pod()
                self.stop_engine()
                self.attach(pod, plugin)
                self.works("DEL", pod, plugin)
                self.start_engine()
                self.check_nothing_is_left()

    def test_told_to_an_engine_and_undone_without_one(self) -> None:
        for plugin in self.kinds():
            with self.subTest(device=plugin.get("deviceID")):
                pod, successor = self.make_pod(), self.make_pod()
                self.attach(pod, plugin)
                self.stop_engine()
                self.works("DEL", pod, plugin)
                # The address that the engine still has for the first one may be this one's.
                result = self.attach(successor, plugin)
                self.start_engine()
                wait_until("the engine to take the files", lambda: self.files() == [], SECONDS)
                self.works("CHECK", successor, plugin, prevResult=result)
                self.assertEqual(self.known_to_engine(), [f"attachment/{successor.name}/eth0"])
                self.check_traffic(successor)
                self.works("DEL", successor, plugin)
                self.check_nothing_is_left()


if __name__ == "__main__":
    unittest.main()
