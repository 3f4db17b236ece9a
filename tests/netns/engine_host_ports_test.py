#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hostPorts with packets: from the wire, from pods here and away, from the node itself; after the
engine was killed; and attachments that were made while no engine was there.

Needs root and the built programs (SLUICE_BIN).
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Callable, Iterator

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from engine_calls import EngineCalls, Mapping, Refused, attachment_of, text_of  # noqa: E402
from lab.cast import Cast  # noqa: E402
from lab.cluster import OUTSIDE, PLAIN_PORT, Cluster  # noqa: E402
from lab.crossings import works  # noqa: E402
from lab.manifest import read_manifest  # noqa: E402
from lab.names import project_root  # noqa: E402
from lab.node import Node  # noqa: E402
from lab.pod import Pod  # noqa: E402
from lab.programs import find_programs, require_privileges, require_tools  # noqa: E402
from lab.shell import LabError, run, wait_until  # noqa: E402
from lab.traffic import Agent, Answer  # noqa: E402

SAMPLE = project_root() / "deploy/samples/demo.yaml"
LOOPBACK = "127.0.0.1"
VF_PORT, VETH_PORT, LOCAL_PORT = 8088, 8089, 8090  # the last one at 127.0.0.1 only


def setUpModule() -> None:
    require_privileges()
    require_tools()
    find_programs()


def ask(agent: Agent, proto: str, address: str, port: int) -> Answer:
    if proto == "tcp":
        return agent.ask_tcp(address, port, timeout=1.5)
    return agent.ask_udp(address, port)[0]


class OneSocket:
    """A process of the node that asks again and again from one UDP socket."""

    PROGRAM = """
import json, socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(0.5)
for line in sys.stdin:
    sock.sendto(b"?", (sys.argv[1], int(sys.argv[2])))
    try:
        print(json.loads(sock.recv(4096))["name"], flush=True)
    except TimeoutError:
        print("", flush=True)
"""

    def __init__(self, netns: Path, address: str, port: int) -> None:
        self.process = subprocess.Popen(
            ["nsenter", f"--net={netns}", sys.executable, "-c", self.PROGRAM, address, str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __enter__(self) -> "OneSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=10)


class HostPorts(unittest.TestCase):
    cluster: Cluster
    cast: Cast
    home: Node
    engine: EngineCalls
    own: str  # the node's own address
    node0: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster(read_manifest(SAMPLE), find_programs())
        cls.addClassCleanup(cls._take_down)
        cls.cluster.up()
        cls.cast = Cast(cls.cluster)
        cls.home = cls.cast.home
        cls.engine = EngineCalls(cls.home.socket)
        cls.own = str(cls.home.spec.address)
        cls.node0 = str(cls.home.spec.pod_cidr.network_address + 1)

    @classmethod
    def _take_down(cls) -> None:
        left = cls.cluster.down()
        if left:
            raise AssertionError(f"left behind: {left}")

    # --- helpers ----------------------------------------------------------------------------

    def map_ports(self, pod: Pod, mappings: list[Mapping]) -> bytes:
        """The pod's attachment once more, with port mappings; what it is like afterwards."""
        plain = attachment_of(self.home.run_dir, pod.attachment)
        mapped = plain + b"".join(mapping.encoded() for mapping in mappings)
        self.engine.detach(plain)
        self.engine.attach(mapped)
        self.assertEqual(self.engine.problem(mapped), "")
        return mapped

    def unmap(self, pod: Pod) -> None:
        self.map_ports(pod, [])

    def map_everything(self) -> None:
        both = ("tcp", "udp")
        self.map_ports(
            self.cast.vf_client,
            [Mapping(VF_PORT, PLAIN_PORT, proto) for proto in both]
            + [Mapping(LOCAL_PORT, PLAIN_PORT, proto, LOOPBACK) for proto in both],
        )
        self.map_ports(
            self.cast.veth_client, [Mapping(VETH_PORT, PLAIN_PORT, proto) for proto in both]
        )
        self.addCleanup(self.unmap, self.cast.vf_client)
        self.addCleanup(self.unmap, self.cast.veth_client)

    def ways(self, pod: Pod) -> Iterator[tuple[str, Agent, str, str]]:
        """(name, client, address, the client's address as the pod sees it; "": not its own)"""
        home, away = self.cluster.agents[self.home.name], self.cluster.agents[self.cast.away.name]
        yield "outside", self.cluster.agents[OUTSIDE], self.own, self.cluster.outside_address
        yield "another node", away, self.own, ""
        for name, remote in (("VF", self.cast.vf_away), ("veth", self.cast.veth_away)):
            yield f"remote {name} pod", remote.agent, self.own, ""
            yield f"remote {name} pod to node0", remote.agent, self.node0, ""
        for name, local in (("VF", self.cast.vf_neighbour), ("veth", self.cast.veth_neighbour)):
            if local is not pod:
                yield f"local {name} pod", local.agent, self.own, local.address
                yield f"local {name} pod to node0", local.agent, self.node0, local.address
        yield "itself", pod.agent, self.own, ""
        yield "the node, own address", home, self.own, self.own
        yield "the node, node0's address", home, self.node0, self.node0
        yield "the node, 127.0.0.1", home, LOOPBACK, self.node0

    def crossings(self) -> Iterator[tuple[str, Callable[[], None]]]:
        def attempt(pod: Pod, agent: Agent, proto: str, address: str, port: int, source: str):
            def go() -> None:
                answer = ask(agent, proto, address, port)
                self.assertEqual(answer.name, pod.key)
                if source:
                    self.assertEqual(answer.peer_address, source)

            return go

        for pod, port in ((self.cast.vf_client, VF_PORT), (self.cast.veth_client, VETH_PORT)):
            for proto in ("tcp", "udp"):
                for name, agent, address, source in self.ways(pod):
                    todo = attempt(pod, agent, proto, address, port, source)
                    yield f"{name} to {pod.key} by {proto}", todo
        home = self.cluster.agents[self.home.name]
        for proto in ("tcp", "udp"):
            todo = attempt(self.cast.vf_client, home, proto, LOOPBACK, LOCAL_PORT, self.node0)
            yield f"the node, 127.0.0.1 only, by {proto}", todo

    def kill_engine(self) -> None:
        engine = self.home.engine
        assert engine is not None
        os.kill(engine.pid, signal.SIGKILL)
        engine.process.wait(10)

    # --- scenarios --------------------------------------------------------------------------

    def test_every_way_leads_to_the_pod_also_after_the_engine_was_killed(self) -> None:
        self.map_everything()
        for name, attempt in self.crossings():
            with self.subTest(name):
                attempt()
        self.kill_engine()
        self.home.restart_engine(self.cluster.watched)
        for name, attempt in self.crossings():
            with self.subTest(name, engine="its successor"):
                wait_until(name, lambda attempt=attempt: works(attempt), 15.0)

    def test_a_port_of_127_0_0_1_is_the_nodes_alone(self) -> None:
        self.map_everything()
        for agent in (self.cluster.agents[OUTSIDE], self.cast.vf_neighbour.agent):
            with self.subTest(agent.name), self.assertRaises(LabError):
                ask(agent, "tcp", self.own, LOCAL_PORT)

    def test_detached_means_gone(self) -> None:
        self.map_everything()
        pod = self.cast.vf_client
        outside, home = self.cluster.agents[OUTSIDE], self.cluster.agents[self.home.name]
        with outside.tcp(self.own, VF_PORT) as connection:
            connection.ask()
            self.unmap(pod)
            with self.assertRaises(LabError):
                connection.ask(timeout=1.5)
        for agent, address in (
            (outside, self.own),
            (self.cast.veth_neighbour.agent, self.own),
            (home, self.own),
            (home, LOOPBACK),
        ):
            with self.subTest(f"{agent.name} to {address}"), self.assertRaises(LabError):
                ask(agent, "tcp", address, VF_PORT)
        tables = run(["nft", "list", "ruleset"], netns=self.home.netns).stdout
        reserved = "/proc/sys/net/ipv4/ip_local_reserved_ports"
        for words in (tables, run(["cat", reserved], netns=self.home.netns).stdout):
            self.assertNotIn(str(VF_PORT), words)
            self.assertIn(str(VETH_PORT), words)
        for flow in self.home.ctl("flows")["flows"]:
            self.assertNotIn(f"={VF_PORT}", flow["match"])
        # The pod itself is where it was.
        self.assertEqual(ask(home, "tcp", pod.address, PLAIN_PORT).name, pod.key)

    def test_udp_from_one_socket_of_the_node_follows_the_port(self) -> None:
        """The kernel's NAT decides once for a connection, and for UDP that never ends."""
        first, second = self.cast.vf_client, self.cast.veth_client
        self.addCleanup(self.unmap, first)
        self.addCleanup(self.unmap, second)
        for address in (LOOPBACK, self.own, self.node0):
            with self.subTest(address), OneSocket(self.home.netns, address, VF_PORT) as client:
                self.assertEqual(client.ask(), "", "nobody has the port yet")
                for pod in (first, second):
                    self.map_ports(pod, [Mapping(VF_PORT, PLAIN_PORT, "udp")])
                    self.assertEqual(client.ask(), pod.key)
                    self.unmap(pod)
                self.assertEqual(client.ask(), "", "nobody has the port any more")

    def test_a_port_that_another_one_has_is_refused_and_both_are_named(self) -> None:
        self.map_everything()
        plain = attachment_of(self.home.run_dir, self.cast.veth_client.attachment)
        self.engine.detach(plain)
        taken = [
            (Mapping(VF_PORT, PLAIN_PORT, "tcp"), "exists", self.cast.vf_client.key),
            (Mapping(VF_PORT, 1, "udp", self.own), "exists", self.cast.vf_client.key),
            (
                Mapping(self.cast.spread.port.node_port, PLAIN_PORT, "tcp"),
                "exists",
                self.cast.spread.service.key,
            ),
            (Mapping(0xF123, PLAIN_PORT, "udp"), "invalid", "masquerade"),
            (Mapping(80, PLAIN_PORT, "udp", "192.0.2.1"), "invalid", self.own),
        ]
        for mapping, code, words in taken:
            with self.subTest(mapping), self.assertRaises(Refused) as refused:
                self.engine.attach(plain + mapping.encoded())
            self.assertEqual(refused.exception.code, code)
            self.assertIn(words, str(refused.exception))
            self.assertIn(str(mapping.host_port), str(refused.exception))
            self.assertEqual(self.engine.problem(plain), "unknown")
        self.engine.attach(plain)

    def test_what_was_left_while_no_engine_was_there_is_attached_at_the_start(self) -> None:
        pod = self.cast.vf_client
        plain = attachment_of(self.home.run_dir, pod.attachment)
        mapped = plain + Mapping(VF_PORT, PLAIN_PORT, "tcp").encoded()
        directory = self.engine.pending_directory()
        self.assertEqual(directory.stat().st_mode & 0o777, 0o700)
        self.engine.detach(plain)
        self.addCleanup(self.unmap, pod)
        self.kill_engine()
        name = hashlib.sha256(text_of(plain, 1).encode()).hexdigest()
        (directory / "half.tmp").write_bytes(mapped)
        (directory / "half.tmp").rename(directory / name)
        (directory / "0badf11e").write_bytes(b"\xff" * 100)
        self.home.restart_engine(self.cluster.watched)
        wait_until("the file to be taken in", lambda: not (directory / name).exists(), 15.0)
        self.assertEqual(self.engine.problem(mapped), "")
        outside = self.cluster.agents[OUTSIDE]
        wait_until(
            "the pod's hostPort",
            lambda: works(lambda: ask(outside, "tcp", self.own, VF_PORT)),
            15.0,
        )
        self.assertEqual([path.name for path in directory.iterdir()], ["0badf11e.refused"])


if __name__ == "__main__":
    unittest.main()
