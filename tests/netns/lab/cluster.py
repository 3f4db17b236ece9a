# SPDX-License-Identifier: Apache-2.0
"""The whole lab: wire, nodes, pods and a host outside, brought up and taken down."""

from __future__ import annotations

import ipaddress
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Mapping

from lab import evidence, memory_files, state
from lab.manifest import (
    VF_RESOURCE,
    EndpointAt,
    Manifest,
    PodSpec,
    endpoint_slices,
    endpoints_of,
    target_port,
    write_watched_copy,
)
from lab.names import project_root
from lab.node import VFS, Node
from lab.pod import Pod, PodPending
from lab.programs import Programs
from lab.shell import Child, LabError, wait_until
from lab.state import Ownership
from lab.traffic import Agent
from lab.wire import Wire, add_namespace

PLAIN_PORT = 7000  # every agent serves it, no Service knows it
OUTSIDE = "outside"
WIRE_PREFIX = 24


class Cluster:
    """Contract: `up` or an exception; `down` in any case, once, whatever `up` had reached."""

    def __init__(
        self,
        manifest: Manifest,
        programs: Programs,
        *,
        keep: bool = False,
        log_level: str = "info",
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.manifest = manifest
        self.programs = programs
        self.keep = keep
        self.nodes: dict[str, Node] = {}
        self.pods: dict[str, Pod] = {}
        self.pending: dict[str, str] = {}  # pod -> the kubelet's words
        self.agents: dict[str, Agent] = {}  # of nodes, the wire and the host outside
        self._log_level = log_level
        self._say = say
        self._owner: Ownership | None = None
        self._memory_before: set[Path] = set()

    # --- up ---------------------------------------------------------------------------------

    @property
    def owner(self) -> Ownership:
        assert self._owner is not None, "the cluster is not up"
        return self._owner

    @property
    def names(self):
        return self.owner.names

    @property
    def watched(self) -> Path:
        return self.names.run_dir / "manifest" / "cluster.yaml"

    def up(self) -> None:
        self._memory_before = memory_files.present()
        self._owner = state.claim()
        self.names.run_dir.mkdir(parents=True)
        self._say("the wire, and a host outside the cluster")
        self._make_wire()
        write_watched_copy(self.watched, self.manifest.text, [])
        self._say("an engine with a simulated NIC, a kubelet and a device plugin on every node")
        self._start_nodes()
        self._say("pods: a VF for those that ask for one, a veth for the others")
        for spec in self.manifest.pods:
            self._start_pod(spec)
        self._serve()
        self._say("the endpoints controller's slices")
        self.publish()

    def _make_wire(self) -> None:
        wire = Wire(self.names)
        for spec in self.manifest.nodes:
            node = Node(
                self.names, spec, self.programs, self.owner.adopt,
                linger=self.keep, log_level=self._log_level,
            )  # fmt: skip
            self.nodes[spec.name] = node
            wire.plug(spec.name, ipaddress.IPv4Interface(f"{spec.address}/{WIRE_PREFIX}"))
            self._add_agent(spec.name)
        add_namespace(self.names, OUTSIDE)
        wire.plug(OUTSIDE, ipaddress.IPv4Interface(f"{self.outside_address}/{WIRE_PREFIX}"))
        self._add_agent(OUTSIDE)
        self._add_agent("wire")
        for role in (*self.nodes, OUTSIDE):
            for proto in ("tcp", "udp"):
                self.agents[role].serve(proto, PLAIN_PORT)

    @property
    def outside_address(self) -> str:
        network = ipaddress.IPv4Network(f"{self.manifest.nodes[0].address}/{WIRE_PREFIX}", False)
        taken = {node.address for node in self.manifest.nodes}
        first = network.network_address
        return str(next(first + i for i in range(100, 255) if first + i not in taken))

    def _add_agent(self, role: str) -> None:
        log = self.names.run_dir / "logs" / f"{role}-agent.log"
        agent = Agent(role, self.names.netns_path(role), log, linger=self.keep)
        self.owner.adopt(agent.child)
        self.agents[role] = agent

    def _start_nodes(self) -> None:
        for node in self.nodes.values():
            node.start_engine(self.watched)
        for node in self.nodes.values():
            node.await_engine()
        for node in self.nodes.values():
            node.start_kubelet_and_plugin()
        for node in self.nodes.values():
            node.await_resources(VF_RESOURCE, VFS)

    def _start_pod(self, spec: PodSpec) -> None:
        pod = Pod(self.names, spec, self.nodes[spec.node])
        try:
            pod.allocate()
        except PodPending as pending:
            self.pending[spec.key] = str(pending)
            return
        self.pods[spec.key] = pod
        pod.add()
        pod.start_agent(self.owner.adopt, linger=self.keep)

    def _serve(self) -> None:
        for pod in self.pods.values():
            for proto in ("tcp", "udp"):
                pod.agent.serve(proto, PLAIN_PORT)
            for service in self.manifest.services:
                for port in service.ports:
                    number = target_port(port, pod.spec)
                    if service.selects(pod.spec) and number is not None:
                        pod.agent.serve(port.proto, number)

    # --- the endpoints controller -----------------------------------------------------------

    def addresses(self) -> dict[str, str]:
        return {key: pod.address for key, pod in self.pods.items() if pod.address}

    def endpoints(self) -> list[tuple[str, EndpointAt]]:
        specs = [pod.spec for pod in self.pods.values()]
        return [
            (port.proto, endpoint)
            for service in self.manifest.services
            for port in service.ports
            for endpoint in endpoints_of(service, port, self.addresses(), specs)
        ]

    def publish(self, text: str | None = None, wait: bool = True) -> None:
        """Writes the watched copy; then waits until every engine has rules for every endpoint."""
        slices = endpoint_slices(self.manifest, self.addresses())
        write_watched_copy(self.watched, self.manifest.text if text is None else text, slices)
        if not wait:
            return
        wanted = {(proto, e.address, e.port) for proto, e in self.endpoints()}
        for node in self.nodes.values():
            missing: list[str] = []

            def taken(node: Node = node) -> bool:
                missing[:] = self._unknown_endpoints(node, wanted)
                return not missing

            wait_until(
                f"{node.name} to know the endpoints",
                taken,
                15.0,
                why_not=lambda node=node: (
                    f"no rule for {', '.join(missing[:4])}; "
                    f"its manifest error: {node.ctl('status').get('manifest_error') or 'none'}"
                ),
            )

    @staticmethod
    def _unknown_endpoints(node: Node, wanted: set[tuple[str, str, int]]) -> list[str]:
        matches = [
            set(str(flow.get("match", "")).split())
            for flow in node.ctl("flows").get("flows") or []
            if flow.get("stage") == "trap"
        ]
        return [
            f"{address}:{port}/{proto}"
            for proto, address, port in sorted(wanted)
            if not any({proto, f"ip_src={address}", f"l4_src={port}"} <= words for words in matches)
        ]

    # --- what steps ask for -----------------------------------------------------------------

    def snapshot(self) -> evidence.Snapshot:
        return evidence.take(self.nodes.values())

    def owner_names(self) -> Mapping[str, str]:
        return {f"attachment/{pod.attachment}": f"pod {key}" for key, pod in self.pods.items()}

    def dead(self) -> list[Child]:
        """Programs that ended though nobody stopped them."""
        everyone = [child for node in self.nodes.values() for child in node.children()]
        return [child for child in everyone if not child.alive()]

    def node_of(self, pod: Pod) -> Node:
        return self.nodes[pod.spec.node]

    # --- down -------------------------------------------------------------------------------

    def save_logs(self) -> Path | None:
        """For a run that failed: the logs survive the run directory."""
        if self._owner is None or not (self.names.run_dir / "logs").is_dir():
            return None
        target = project_root() / "build" / "demo-logs" / self.names.instance
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.names.run_dir / "logs", target)
        watched = self.watched
        if watched.exists():
            shutil.copy(watched, target / watched.name)
        for node in self.nodes.values():
            for words in (("status",), ("flows",), ("ports",)):
                if node.engine is not None and node.engine.alive() and node.socket.exists():
                    try:
                        done = node.ctl_process(*words)
                    except LabError:
                        continue  # stopped or stuck: its log is there
                    (target / f"{node.name}-{words[0]}.txt").write_text(done.stdout + done.stderr)
        return target

    def wind_down(self) -> list[str]:
        """As a cluster would: DEL for every pod, SIGTERM for every program. What was left behind
        by those whose job it was to remove it, in words."""
        left: list[str] = []
        with ThreadPoolExecutor() as pool:
            pending = [(pod, pool.submit(pod.delete)) for pod in self.pods.values()]
            for pod, future in pending:
                try:
                    future.result()
                except LabError as error:
                    left.append(f"{pod.key}: {error}")
        for pod in self.pods.values():
            pod.stop_agents()
        for node in self.nodes.values():
            for child in node.children():
                if not child.alive():
                    left.append(f"{child.name} {child.how_it_ended()} before its time")
                elif not child.stop(timeout=10.0):
                    left.append(f"{child.name} did not end within 10 s of SIGTERM")
            left += node.what_the_engine_left()
        return left

    def down(self) -> list[str]:
        """Removes everything by force, and says what is still there (nothing, one hopes)."""
        if self._owner is None:
            return []
        names = self.names
        everyone = [child for node in self.nodes.values() for child in node.children()]
        for pod in self.pods.values():
            pod.stop_agents()
        for agent in self.agents.values():
            agent.stop()
        for child in everyone:
            child.stop(timeout=3.0)
        self._owner.release()
        self._owner = None
        left = memory_files.orphans(self._memory_before)
        return state.leftovers(names) + [f"memory file {path}" for path in left]

    def leave_up(self) -> None:
        self.owner.keep()
        self._owner = None


