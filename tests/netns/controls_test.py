#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Negative controls of the demo: that its packets go where it says, and that it would notice.

One lab for most of them; needs root and the built programs (SLUICE_BIN).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from lab import evidence, state  # noqa: E402
from lab.capture import Frame, build_udp  # noqa: E402
from lab.cast import Cast  # noqa: E402
from lab.cluster import PLAIN_PORT, Cluster  # noqa: E402
from lab.crossings import crossings, works  # noqa: E402
from lab.manifest import read_manifest  # noqa: E402
from lab.names import Names, checkout_hash, project_root  # noqa: E402
from lab.node import FALLBACK_DEVICES, VNI, Node  # noqa: E402
from lab.pod import INTERFACE, Pod  # noqa: E402
from lab.programs import find_programs, require_privileges, require_tools  # noqa: E402
from lab.shell import LabError, run, wait_until  # noqa: E402
from lab.steps_pods import GATEWAY  # noqa: E402
from lab.steps_services import promoted_stream  # noqa: E402
from lab.traffic import Agent  # noqa: E402

DEMO = Path(__file__).resolve().parent / "demo.py"
SAMPLE = project_root() / "deploy/samples/demo.yaml"
NODE_TABLES = {("ip", "sluice-node")}  # the one NAT table of the node
HOST_LEG = "host"  # the bridge's end in the representor namespace
RAW_FRAMES = 5
MARK = b"sluice-control-frame"


def setUpModule() -> None:
    require_privileges()
    require_tools()
    find_programs()


class Controls(unittest.TestCase):
    cluster: Cluster
    cast: Cast

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster(read_manifest(SAMPLE), find_programs())
        cls.addClassCleanup(cls._take_down)
        try:
            cls.cluster.up()
        except LabError:
            print(f"logs: {cls.cluster.save_logs()}", file=sys.stderr)
            raise
        cls.cast = Cast(cls.cluster)

    @classmethod
    def _take_down(cls) -> None:
        left = cls.cluster.down()
        if left:
            raise AssertionError(f"left behind: {left}")

    # --- helpers ----------------------------------------------------------------------------

    def gateway_mac(self, pod: Pod) -> str:
        pod.agent.ping(GATEWAY, 1)
        done = run(["ip", "-j", "neigh", "show", GATEWAY], netns=pod.netns)
        entries = [entry for entry in json.loads(done.stdout) if "lladdr" in entry]
        self.assertTrue(entries, f"{pod.key} has no neighbour {GATEWAY}")
        return entries[0]["lladdr"]

    @staticmethod
    def frames_at(sender: Pod, receiver: Pod, frames: list[bytes]) -> list[Frame]:
        """The marked frames of those sent that reach a pod. An honest exchange behind them by the
        same port has gone the same way when it is answered: what isn't there then never comes."""
        capture = receiver.agent.capture(INTERFACE)
        sender.agent.send_frames(INTERFACE, frames)
        sender.agent.ask_udp(receiver.address, PLAIN_PORT)
        return [frame for frame in capture.stop() if MARK in frame.payload]

    def spoof_drops(self, pod: Pod) -> int:
        """Packets of the rule that ends what comes from the pod's port and isn't the pod's."""
        port = self.port_of(pod)
        total = 0
        for flow in pod.node.ctl("flows").get("flows") or []:
            if flow["stage"] == "ingress" and flow["match"] == f"in={port}":
                self.assertIn("drop", flow["actions"])
                total += evidence.number(flow, "packets")
        return total

    def port_of(self, pod: Pod) -> str:
        for port in pod.node.ctl("ports").get("ports") or []:
            if pod.key in [name.split()[0] for name in port.get("pod", "").split(", ") if name]:
                return port["name"]
        self.fail(f"no port of {pod.node.name} has the pod {pod.key}")

    # --- the engine carries everything ------------------------------------------------------

    def test_nothing_crosses_while_the_engine_is_stopped(self) -> None:
        todo = crossings(self.cluster, self.cast)
        for name, attempt in todo:
            with self.subTest(name, engine="running"):
                attempt()
        engines = [node.engine for node in self.cluster.nodes.values()]
        for engine in engines:
            assert engine is not None
            engine.signal(signal.SIGSTOP)
        try:
            for name, attempt in todo:
                with self.subTest(name, engine="stopped"), self.assertRaises(LabError):
                    attempt()
            local = self.cast.vf_client.agent.ask_tcp("127.0.0.1", PLAIN_PORT)
            self.assertEqual(local.name, self.cast.vf_client.key)
        finally:
            for engine in engines:
                assert engine is not None
                engine.signal(signal.SIGCONT)
        for name, attempt in todo:
            with self.subTest(name, engine="running again"):
                wait_until(f"{name} after SIGCONT", lambda: works(attempt), 15.0)

    def test_frames_between_pods_of_one_bridge_only_pass_the_engine(self) -> None:
        """A frame straight to the other pod's MAC, past the gateway, must not get there."""
        sender, receiver = self.cast.veth_client, self.cast.veth_neighbour
        straight = build_udp(
            sender.mac, receiver.mac, sender.address, receiver.address, 4000, 4001, MARK
        )
        node = sender.node
        bridges = json.loads(
            run(["ip", "-j", "-d", "link", "show", "type", "bridge"], netns=node.netns).stdout
        )
        self.assertEqual(len(bridges), 1, "the node has one bridge")
        to_bridge = build_udp(
            sender.mac, bridges[0]["address"], sender.address, receiver.address, 4000, 4002, MARK
        )
        engine = node.engine
        assert engine is not None
        capture = receiver.agent.capture(INTERFACE)
        engine.signal(signal.SIGSTOP)
        try:
            sender.agent.send_frames(INTERFACE, [straight, to_bridge] * RAW_FRAMES)
            # veth and bridge deliver in the sender's context or in ksoftirqd's, soon: there is
            # nothing to wait for but time.
            time.sleep(0.3)
            seen = [frame for frame in capture.stop() if MARK in frame.payload]
        finally:
            engine.signal(signal.SIGCONT)
        self.assertEqual(seen, [])

    def test_nodes_have_no_other_nat_tunnel_or_address_on_the_bridge(self) -> None:
        for node in self.cluster.nodes.values():
            with self.subTest(node.name):
                self.assertEqual(self._nat_tables(node.netns), NODE_TABLES)
                for netns in (node.netns, node.rep_netns):
                    links = run(["ip", "-j", "-d", "link", "show"], netns=netns).stdout
                    kinds = {
                        (link.get("linkinfo") or {}).get("info_kind")
                        for link in json.loads(links or "[]")
                        if link["ifname"] not in FALLBACK_DEVICES
                    }
                    self.assertLessEqual(kinds - {None}, {"veth", "bridge"})
                self._check_bridge(node)
        for pod in self.cluster.pods.values():
            with self.subTest(pod.key):
                self.assertEqual(self._nat_tables(pod.netns), set())

    def _nat_tables(self, netns: Path) -> set[tuple[str, str]]:
        listing = json.loads(run(["nft", "-j", "list", "ruleset"], netns=netns).stdout)
        chains = [entry["chain"] for entry in listing["nftables"] if "chain" in entry]
        legacy = run(
            ["sh", "-c", "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null"],
            netns=netns, check=False,
        ).stdout.split()  # fmt: skip
        self.assertNotIn("nat", legacy)
        return {(chain["family"], chain["table"]) for chain in chains if chain.get("type") == "nat"}

    def _check_bridge(self, node: Node) -> None:
        """No address on it, and every port but the leg isolated: two pods meet in the leg only."""
        links = json.loads(run(["ip", "-j", "-d", "addr", "show"], netns=node.netns).stdout)
        bridges = [link for link in links if link.get("linkinfo", {}).get("info_kind") == "bridge"]
        self.assertEqual([bridge["addr_info"] for bridge in bridges], [[]])
        infos = {link["ifname"]: link.get("linkinfo", {}) for link in links}
        ports = {
            name: info["info_slave_data"]
            for name, info in infos.items()
            if info.get("info_slave_kind") == "bridge"
        }
        open_ports = [name for name, data in ports.items() if not data["isolated"]]
        self.assertEqual(len(open_ports), 1, f"{open_ports}: only the leg may talk to all ports")
        self.assertGreaterEqual(len(ports), 2)

    # --- what carries a connection ----------------------------------------------------------

    def test_a_deleted_flow_moves_its_packets_to_the_slow_path(self) -> None:
        client, use = self.cast.vf_client, self.cast.spread
        node = client.node
        with client.agent.tcp(*use.vip) as connection:
            server = connection.ask(20)[0].name
            promoted = evidence.find_connection(node, connection.local)
            self.assertIsNotNone(promoted)
            assert promoted is not None
            self.assertTrue(promoted["promoted"], promoted)
            node.delete_flow(evidence.number(promoted, "id"))
            before = evidence.find_connection(node, connection.local)
            assert before is not None
            answers = connection.ask(20)
            after = evidence.find_connection(node, connection.local)
            assert after is not None
        self.assertEqual({answer.name for answer in answers}, {server})
        self.assertTrue(all(answer.source_kept for answer in answers))
        self.assertFalse(after["promoted"], "it must not be promoted again")
        grown = evidence.slow_packets(after) - evidence.slow_packets(before)
        self.assertGreaterEqual(grown, 40, "20 questions and 20 answers at least")
        self.assertEqual(evidence.hardware_packets(after), evidence.hardware_packets(before))

    def test_a_long_stream_is_carried_by_flows(self) -> None:
        for client in (self.cast.vf_client, self.cast.veth_client):
            with self.subTest(client.key):
                promoted_stream(self.cluster, client, self.cast.spread)

    def test_the_wire_shows_vxlan_with_the_vni_and_nothing_bare(self) -> None:
        client, server = self.cast.vf_client, self.cast.vf_away
        capture = self.cluster.agents["wire"].capture(client.node.name)
        client.agent.ask_tcp(server.address, PLAIN_PORT)
        frames = capture.stop()
        pods = {client.address, server.address}
        bare = [f for f in frames if f.vni is None and {f.ip_src, f.ip_dst} & pods]
        tunnelled = [f for f in frames if f.inner and {f.inner.ip_src, f.inner.ip_dst} == pods]
        self.assertEqual(bare, [])
        self.assertEqual({frame.vni for frame in tunnelled}, {VNI})
        directions = {(f.ip_src, f.ip_dst) for f in tunnelled}
        one, other = str(client.node.spec.address), str(server.node.spec.address)
        self.assertEqual(directions, {(one, other), (other, one)})

    # --- who may send what ------------------------------------------------------------------

    def test_a_foreign_address_from_an_own_mac_is_dropped_and_counted(self) -> None:
        for sender in (self.cast.vf_client, self.cast.veth_client):
            with self.subTest(sender.key):
                receiver, gateway = self.cast.veth_neighbour, self.gateway_mac(sender)
                foreign = self.cast.vf_neighbour.address

                def frame(source: str) -> bytes:
                    return build_udp(
                        sender.mac, gateway, source, receiver.address, 4000, 4001, MARK
                    )

                honest = self.frames_at(sender, receiver, [frame(sender.address)] * RAW_FRAMES)
                self.assertEqual(len(honest), RAW_FRAMES, "the control of the control")
                before = self.spoof_drops(sender)
                lying = self.frames_at(sender, receiver, [frame(foreign)] * RAW_FRAMES)
                self.assertEqual(lying, [])
                self.assertGreaterEqual(self.spoof_drops(sender) - before, RAW_FRAMES)

    def test_a_foreign_mac_never_reaches_the_leg(self) -> None:
        sender, receiver = self.cast.veth_client, self.cast.veth_neighbour
        gateway = self.gateway_mac(sender)
        watcher = Agent(
            "leg", sender.node.rep_netns, sender.node.logs / f"{sender.node.name}-leg.log"
        )
        self.addCleanup(watcher.stop)
        self.cluster.owner.adopt(watcher.child)

        def frame(mac: str) -> bytes:
            return build_udp(mac, gateway, sender.address, receiver.address, 4000, 4001, MARK)

        capture = watcher.capture(HOST_LEG)
        for mac in (receiver.mac, "0a:58:de:ad:be:ef", sender.mac):
            sender.agent.send_frames(INTERFACE, [frame(mac)] * RAW_FRAMES)
        sender.agent.ask_udp(receiver.address, PLAIN_PORT)  # behind them, by the same way
        # The engine itself sends what it forwards with the gateway's MAC.
        sources = [f.eth_src for f in capture.stop() if MARK in f.payload and f.eth_src != gateway]
        self.assertEqual(sources, [sender.mac] * RAW_FRAMES)

    def test_a_foreign_mac_from_a_vf_is_dropped_and_counted(self) -> None:
        """The address is the sender's own: only the MAC gives it away."""
        sender, gateway = self.cast.vf_client, self.gateway_mac(self.cast.vf_client)
        for receiver in (self.cast.vf_neighbour, self.cast.veth_neighbour):
            for mac in (receiver.mac, "0a:58:de:ad:be:ef"):
                with self.subTest(receiver.key, mac=mac):

                    def frame(source: str) -> bytes:
                        return build_udp(
                            source, gateway, sender.address, receiver.address, 4000, 4001, MARK
                        )

                    honest = self.frames_at(sender, receiver, [frame(sender.mac)] * RAW_FRAMES)
                    self.assertEqual(len(honest), RAW_FRAMES, "the control of the control")
                    before = self.spoof_drops(sender)
                    lying = self.frames_at(sender, receiver, [frame(mac)] * RAW_FRAMES)
                    self.assertEqual(lying, [])
                    self.assertGreaterEqual(self.spoof_drops(sender) - before, RAW_FRAMES)


class Holder:
    """A demo.py that brings a lab up and holds it, as another process that can be killed. Goes on
    once the demo has printed a line that begins with `until`."""

    READY = "READY "
    HALF_WAY = "  … an engine with"  # being started: nobody has heard of it yet

    def __init__(self, until: str = READY) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(DEMO), "--hold"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        heard = []
        for line in self.process.stdout:  # ends with the process, which is bounded in itself
            heard.append(line)
            if line.startswith(until):
                self.names = Names(f"{checkout_hash()}{self.process.pid:x}")
                return
        raise AssertionError(f"demo.py --hold ended before {until!r}: {''.join(heard)}")

    def pids(self, program: str) -> list[int]:
        found = []
        for pid in state.processes_inside(self.names):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if program in command:
                found.append(pid)
        return found

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self._wait()

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self._wait()

    def interrupt(self) -> int:
        os.kill(self.process.pid, signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            raise AssertionError("demo.py did not end within 60 s") from None
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None and not stream.closed:
                stream.close()
        return code


class Kills(unittest.TestCase):
    """kill -9 of any process of the demo leaves nothing that the next run can't take over."""

    def test_the_next_run_takes_over_after_each_kill(self) -> None:
        previous: Names | None = None
        for program in ("sluice-offloadd", "sluice-device-plugin", "standin-kubelet", "lab.agent"):
            with self.subTest(program):
                holder = Holder()
                try:
                    if previous is not None:
                        self.assertEqual(state.leftovers(previous), [])
                    victims = holder.pids(program)
                    self.assertTrue(victims, f"no {program} runs in the lab")
                    os.kill(victims[0], signal.SIGKILL)
                finally:
                    holder.kill()
                    previous = holder.names
        last = Holder()
        self.assertEqual(last.end(), 0)
        assert previous is not None
        for names in (previous, last.names):
            self.assertEqual(state.leftovers(names), [])

    def test_the_next_run_takes_over_after_a_kill_half_way(self) -> None:
        killed = Holder(until=Holder.HALF_WAY)
        killed.kill()
        self.assertNotEqual(state.leftovers(killed.names), [], "there is something to take over")
        last = Holder()
        self.assertEqual(last.end(), 0)
        for names in (killed.names, last.names):
            self.assertEqual(state.leftovers(names), [])

    def test_sigterm_leaves_nothing(self) -> None:
        for moment in (Holder.HALF_WAY, Holder.READY):
            with self.subTest(moment):
                holder = Holder(until=moment)
                self.assertEqual(holder.interrupt(), 128 + signal.SIGTERM)
                self.assertEqual(state.leftovers(holder.names), [])

    def test_two_labs_at_once_do_not_meet(self) -> None:
        one, other = Holder(), Holder()
        try:
            self.assertNotEqual(one.names.instance, other.names.instance)
        finally:
            codes = (one.end(), other.end())
        self.assertEqual(codes, (0, 0))
        for holder in (one, other):
            self.assertEqual(state.leftovers(holder.names), [])


class BadInput(unittest.TestCase):
    """Each ends with a clear message and leaves nothing."""

    def run_demo(self, text: str | None, *, env: dict[str, str] | None = None):
        arguments = [sys.executable, str(DEMO)]
        if text is not None:
            file = tempfile.NamedTemporaryFile("w", suffix=".yaml")
            self.addCleanup(file.close)
            file.write(text)
            file.flush()
            arguments += ["--manifest", file.name]
        # A directory of its own: other labs may run beside this one.
        own = tempfile.TemporaryDirectory(prefix="sl-lab-")
        self.addCleanup(own.cleanup)
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "SLUICE_LAB_DIR": own.name, **(env or {})},
        )
        self.assertEqual(list(Path(own.name).glob("*.lock")), [])
        self.assertNotIn("Traceback", done.stderr)
        return done

    def test_what_is_no_yaml(self) -> None:
        done = self.run_demo("kind: [Node\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not YAML", done.stderr)

    def test_an_unknown_field_is_named_by_the_engine(self) -> None:
        text = SAMPLE.read_text()
        done = self.run_demo(text.replace("podCIDR:", "podCIDR: 10.244.9.0/24\n  podCidr:", 1))
        self.assertEqual(done.returncode, 1)
        self.assertIn("podCidr", done.stderr)

    def test_a_pod_on_a_node_that_is_not_there(self) -> None:
        done = self.run_demo(SAMPLE.read_text().replace("nodeName: node-b", "nodeName: node-z", 1))
        self.assertEqual(done.returncode, 1)
        self.assertIn("node-z", done.stderr)

    def test_programs_that_are_not_built(self) -> None:
        done = self.run_demo(None, env={"SLUICE_BIN": "/nonexistent"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("build first", done.stderr)

    def test_without_the_privilege(self) -> None:
        """As root in a container that has none of the capabilities."""
        bounded = ["setpriv", "--bounding-set", "-net_admin,-sys_admin"]
        done = subprocess.run(
            [*bounded, sys.executable, str(DEMO)], capture_output=True, text=True, timeout=30
        )
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1)
        self.assertIn("CAP_SYS_ADMIN", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
