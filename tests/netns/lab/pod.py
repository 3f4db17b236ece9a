# SPDX-License-Identifier: Apache-2.0
"""A pod: a namespace, what kubelet and runtime do for it, and an agent as its containers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from lab.manifest import VF_RESOURCE, PodSpec
from lab.names import Names
from lab.node import Node
from lab.shell import Child, LabError, run
from lab.traffic import Agent

CNI_VERSION = "1.1.0"
INTERFACE = "eth0"


class PodPending(LabError):
    """The kubelet has no device for it; its words."""


@dataclass(frozen=True)
class CniOutcome:
    address: str
    mac: str
    mtu: int


class Pod:
    def __init__(self, names: Names, spec: PodSpec, node: Node) -> None:
        self.spec = spec
        self.key = spec.key
        self.node = node
        self._names = names
        self._role = f"pod-{spec.namespace}-{spec.name}"
        self.netns: Path = node.netns if spec.host_network else names.netns_path(self._role)
        self.container_id = hashlib.sha256(f"{names.instance}/{self.key}".encode()).hexdigest()
        self.devices: list[str] = []
        self.address = str(node.spec.address) if spec.host_network else ""
        self.mac = ""
        self.mtu = 0
        self._added = False
        self._agents: list[Agent] = []

    @property
    def on_vf(self) -> bool:
        return self.spec.vfs > 0

    @property
    def attachment(self) -> str:
        return f"{self.container_id}/{INTERFACE}"

    def allocate(self) -> None:
        """What admission by the kubelet does; raises PodPending without a free device."""
        if not self.spec.vfs or self.spec.host_network:
            return
        answer = self.node.allocate(self.key, VF_RESOURCE, self.spec.vfs)
        if "error" in answer:
            raise PodPending(str(answer["error"]))
        self.devices = list(answer["devices"])

    def add(self) -> None:
        if self.spec.host_network:
            return
        run(["ip", "netns", "add", self._names.netns(self._role)])
        outcome = _parse_result(self._cni("ADD"), self.key)
        self._added = True
        self.address, self.mac, self.mtu = outcome.address, outcome.mac, outcome.mtu

    def delete(self) -> None:
        if self._added:
            self._cni("DEL")
            self._added = False
        if self.devices:
            self.node.free(self.key)
            self.devices = []

    def _cni(self, command: str) -> dict:
        config = {
            "cniVersion": CNI_VERSION,
            "name": "sluice",
            "type": "sluice-cni",
            "engineSocket": str(self.node.socket),
            "stateDir": str(self.node.state_dir),
            "devicePluginSocket": str(self.node.run_dir / "device-plugin.sock"),
        }
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": str(self.netns),
            "CNI_IFNAME": INTERFACE,
            "CNI_PATH": str(self.node.programs.folder),
            "CNI_ARGS": (
                f"IgnoreUnknown=1;K8S_POD_NAMESPACE={self.spec.namespace};"
                f"K8S_POD_NAME={self.spec.name}"
            ),
        }
        done = run(
            [str(self.node.programs.path("sluice-cni"))],
            netns=self.node.netns, stdin=json.dumps(config), env=environment, timeout=20.0,
            check=False,
        )  # fmt: skip
        with (self.node.logs / f"{self.node.name}-sluice-cni.log").open("a") as log:
            log.write(f"{command} {self.key} -> {done.returncode}\n{done.stderr}{done.stdout}\n")
        if done.returncode != 0:
            said = done.stdout.strip() or done.stderr.strip() or "nothing"
            raise LabError(
                f"sluice-cni {command} for {self.key} ended with {done.returncode}: {said}"
            )
        return json.loads(done.stdout) if done.stdout.strip() else {}

    # --- containers -------------------------------------------------------------------------

    def start_agent(self, adopt: Callable[[Child], Child], linger: bool = False) -> Agent:
        number = len(self._agents)
        log = self.node.logs / f"{self._role}-{number}.log"
        agent = Agent(self.key, self.netns, log, linger=linger)
        adopt(agent.child)
        self._agents.append(agent)
        return agent

    @property
    def agent(self) -> Agent:
        if not self._agents:
            raise LabError(f"{self.key} does not run")
        return self._agents[0]

    def stop_agents(self) -> None:
        for agent in self._agents:
            agent.stop()
        self._agents.clear()


def _parse_result(result: dict, pod: str) -> CniOutcome:
    """CNI spec 1.1.0: the interface with a sandbox is the pod's."""
    try:
        inside = [entry for entry in result["interfaces"] if entry.get("sandbox")]
        address = result["ips"][0]["address"].split("/")[0]
        return CniOutcome(address, inside[0]["mac"], int(inside[0].get("mtu", 0)))
    except (KeyError, IndexError, ValueError) as error:
        raise LabError(f"sluice-cni ADD for {pod} returned {json.dumps(result)[:400]}") from error
