#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The lab's own tests: what the demo's verdicts stand on. Needs root, but none of our programs."""

from __future__ import annotations

import io
import ipaddress
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from lab import evidence, memory_files, state, streams  # noqa: E402
from lab.capture import build_udp, checksum, parse  # noqa: E402
from lab.manifest import (  # noqa: E402
    endpoint_slices,
    endpoints_of,
    read_manifest,
    write_watched_copy,
)
from lab.names import Names, project_root  # noqa: E402
from lab.programs import require_privileges  # noqa: E402
from lab.report import Carrier, require_carrier  # noqa: E402
from lab.shell import LabError, run, start_time, wait_until  # noqa: E402
from lab.traffic import Agent, TrafficError  # noqa: E402
from lab.wire import Wire, add_namespace  # noqa: E402

SAMPLE = project_root() / "deploy/samples/demo.yaml"


class Streams(unittest.TestCase):
    TOTAL = 3 * streams.BLOCK + 77

    def sent(self) -> bytes:
        return b"".join(streams.blocks(5, self.TOTAL))

    def verdict(self, data: bytes) -> dict:
        return streams.receive_stream(io.BytesIO(data), 5, self.TOTAL)

    def test_the_same_bytes_are_right(self) -> None:
        self.assertTrue(self.verdict(self.sent())["ok"])

    def test_one_wrong_byte_is_found_where_it_is(self) -> None:
        data = bytearray(self.sent())
        data[streams.BLOCK + 3] ^= 1
        got = self.verdict(bytes(data))
        self.assertFalse(got["ok"])
        self.assertEqual(got["wrong_at"], streams.BLOCK + 3)

    def test_swapped_blocks_and_a_short_stream_are_wrong(self) -> None:
        data, size = self.sent(), streams.BLOCK
        swapped = data[size : 2 * size] + data[:size] + data[2 * size :]
        self.assertFalse(self.verdict(swapped)["ok"])
        self.assertFalse(self.verdict(data[:-1])["ok"])


class Frames(unittest.TestCase):
    def inner(self) -> bytes:
        return build_udp(
            "02:00:00:00:00:01", "02:00:00:00:00:02", "10.0.0.1", "10.0.0.2", 7, 9, b"odd"
        )

    def test_a_built_frame_parses_and_sums_up(self) -> None:
        data = self.inner()
        frame = parse(data)
        assert frame is not None
        self.assertEqual((frame.ip_src, frame.ip_dst), ("10.0.0.1", "10.0.0.2"))
        self.assertEqual((frame.sport, frame.dport), (7, 9))
        self.assertEqual((frame.eth_src, frame.payload), ("02:00:00:00:00:01", b"odd"))
        self.assertEqual(checksum(data[14:34]), 0)
        pseudo = data[26:34] + bytes([0, 17]) + data[38:40]
        self.assertEqual(checksum(pseudo + data[34:]), 0)

    def test_vxlan_shows_vni_and_inner_frame(self) -> None:
        vxlan = bytes([8, 0, 0, 0]) + (4711).to_bytes(3, "big") + b"\0" + self.inner()
        outer = build_udp(
            "02:00:00:00:01:01", "02:00:00:00:01:02", "172.30.0.11", "172.30.0.12", 5, 4789, vxlan
        )
        frame = parse(outer)
        assert frame is not None and frame.inner is not None
        self.assertEqual(frame.vni, 4711)
        self.assertEqual(frame.innermost().ip_dst, "10.0.0.2")

    def test_every_cut_of_a_frame_parses_without_error(self) -> None:
        data = self.inner()
        for length in range(len(data)):
            parse(data[:length])
        self.assertIsNone(parse(data[:13]))


class MemoryFiles(unittest.TestCase):
    def test_only_what_nobody_holds_is_left_behind(self) -> None:
        before = memory_files.present()
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
            path = Path(file.name)
            self.assertNotIn(path, memory_files.orphans(before))
            left = path.with_name(path.name + "-left")
            left.write_bytes(b"x")
            self.addCleanup(left.unlink)
            self.assertIn(left, memory_files.orphans(before))


class ManifestReading(unittest.TestCase):
    def read(self, text: str):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(textwrap.dedent(text))
            file.flush()
            return read_manifest(Path(file.name))

    def test_the_sample_has_neither_addresses_nor_slices(self) -> None:
        manifest = read_manifest(SAMPLE)
        self.assertNotIn("kind: EndpointSlice", manifest.text)
        self.assertNotIn("podIP", manifest.text)
        self.assertGreaterEqual(len(manifest.nodes), 2)

    def test_slices_follow_selectors_and_addresses(self) -> None:
        manifest = read_manifest(SAMPLE)
        addresses = {pod.key: f"10.0.0.{i}" for i, pod in enumerate(manifest.pods, 2)}
        waiting = manifest.pods[0].key
        del addresses[waiting]  # a pod without an address is no endpoint
        for service in manifest.services:
            mine = [
                piece
                for piece in endpoint_slices(manifest, addresses)
                if piece["metadata"]["labels"]["kubernetes.io/service-name"] == service.name
            ]
            got = {
                (endpoint["addresses"][0], port["port"], port["protocol"].lower())
                for piece in mine
                for port in piece["ports"]
                for endpoint in piece["endpoints"]
            }
            expected = {
                (e.address, e.port, port.proto)
                for port in service.ports
                for e in endpoints_of(service, port, addresses, manifest.pods)
            }
            self.assertEqual(got, expected, service.key)
            names = {e["targetRef"]["name"] for p in mine for e in p["endpoints"]}
            self.assertNotIn(waiting.split("/")[1], names)

    NAMED = """
        kind: Node
        metadata: {name: a}
        spec: {podCIDR: 10.1.0.0/24}
        status: {addresses: [{type: InternalIP, address: 172.30.0.1}]}
        ---
        kind: Pod
        metadata: {name: one, labels: {app: x}}
        spec: {nodeName: a, containers: [{ports: [{name: p, containerPort: 81}]}]}
        ---
        kind: Pod
        metadata: {name: two, labels: {app: x}}
        spec: {nodeName: a, containers: [{ports: [{name: p, containerPort: 82}]}]}
        ---
        kind: Service
        metadata: {name: s}
        spec: {clusterIP: 10.96.0.1, selector: {app: x}, ports: [{port: 80, targetPort: p}]}
    """

    SECOND_NODE = """kind: Node
        metadata: {name: a-rep}
        spec: {podCIDR: 10.2.0.0/24}
        status: {addresses: [{type: InternalIP, address: 172.30.0.2}]}
        ---
        """

    def test_a_named_target_port_may_differ_from_pod_to_pod(self) -> None:
        manifest = self.read(self.NAMED)
        pieces = endpoint_slices(manifest, {"default/one": "10.1.0.2", "default/two": "10.1.0.3"})
        self.assertEqual(
            {(p["ports"][0]["port"], p["endpoints"][0]["addresses"][0]) for p in pieces},
            {(81, "10.1.0.2"), (82, "10.1.0.3")},
        )

    def test_mistakes_are_named(self) -> None:
        for text, words in (
            ("kind: [Node\n", "not YAML"),
            ("- 1\n", "document 1"),
            ("kind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n", "nodeName"),
            (self.NAMED.replace("nodeName: a", "nodeName: b", 1), "none of"),
            (self.NAMED.replace("10.1.0.0/24", "10.1.0.0/99"), "document 1"),
            (self.NAMED.rstrip(" ") + "        ---" + self.NAMED, "Node a is there twice"),
            (self.NAMED.replace("name: a}", "name: a234567890123456}"), "up to 15 characters"),
            (self.NAMED.replace("name: a}", "name: br0}"), "none of wire"),
            (self.NAMED.replace("kind: Pod", self.SECOND_NODE + "kind: Pod", 1), "a-rep"),
            ("", "has no Node"),
        ):
            with self.subTest(words), self.assertRaisesRegex(LabError, words):
                self.read(text)

    def test_the_watched_copy_begins_with_the_manifest_itself(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "sub" / "cluster.yaml"
            write_watched_copy(target, "kind: X\n", [{"kind": "EndpointSlice"}])
            self.assertEqual(target.read_text(), "kind: X\n---\nkind: EndpointSlice\n")
            self.assertEqual([path.name for path in target.parent.iterdir()], ["cluster.yaml"])


class Evidence(unittest.TestCase):
    @staticmethod
    def flow(packets: int, **more: object) -> dict:
        usual = {"stage": "forward", "actions": "count output=vf0", "owner": "o"}
        return {**usual, "packets": packets, **more}

    def test_only_what_grew_and_was_forwarded_counts(self) -> None:
        before = evidence.Snapshot(
            connections={("a", 1): {"hardware_packets_forward": 5, "slow_packets_reply": 1}},
            flows={(1,): self.flow(10), (2,): self.flow(3)},
            slow={"a": 100},
        )
        after = evidence.Snapshot(
            connections={
                ("a", 1): {"hardware_packets_forward": 9, "slow_packets_reply": 1, "service": "s"}
            },
            flows={
                (1,): self.flow(14),
                (2,): self.flow(3),
                (3,): self.flow(50, stage="connection"),  # counted again where it is forwarded
                (4,): self.flow(7, actions="count drop"),
                (5,): self.flow(2, tier="software"),
            },
            slow={"a": 103},
        )
        got = evidence.difference(before, after)
        self.assertEqual((got.hardware, got.software, got.slow), (4, 2, 3))
        self.assertEqual([(s.id, s.hardware, s.slow) for s in got.shares], [(1, 4, 0)])
        self.assertIn("connection/1 on a to s: 4 by its flow", got.words({}))

    def test_a_step_that_nobody_carried_did_not_hold(self) -> None:
        for carrier, difference, holds in (
            (Carrier.NOBODY, evidence.Difference(), True),
            (Carrier.ENGINE, evidence.Difference(), False),
            (Carrier.ENGINE, evidence.Difference(slow=1), True),
            (Carrier.NIC, evidence.Difference(slow=1), False),
            (Carrier.NIC, evidence.Difference(hardware=1), True),
        ):
            with self.subTest(carrier=carrier, difference=difference):
                if holds:
                    require_carrier(carrier, difference, "it worked")
                else:
                    with self.assertRaisesRegex(LabError, "counted none"):
                        require_carrier(carrier, difference, "it worked")

    def test_nothing_is_said_to_be_nothing(self) -> None:
        nothing = evidence.difference(evidence.Snapshot(), evidence.Snapshot())
        self.assertEqual(nothing.words({}), ["nothing passed an eswitch"])


class WireAndAgents(unittest.TestCase):
    """Two hosts on the wire without any of our programs: the measuring tools themselves."""

    @classmethod
    def setUpClass(cls) -> None:
        require_privileges()
        cls.owner = state.claim()
        cls.addClassCleanup(cls.owner.release)
        cls.names = cls.owner.names
        cls.agents: dict[str, Agent] = {}
        wire = Wire(cls.names)
        for role, address in (("one", "172.30.0.1/24"), ("two", "172.30.0.2/24")):
            add_namespace(cls.names, role)
            wire.plug(role, ipaddress.IPv4Interface(address))
        for role in ("one", "two", "wire"):
            log = cls.names.run_dir / f"{role}.log"
            cls.agents[role] = Agent(role, cls.names.netns_path(role), log)
            cls.owner.adopt(cls.agents[role].child)
            cls.addClassCleanup(cls.agents[role].stop)
        for proto in ("tcp", "udp"):
            cls.agents["two"].serve(proto, 7000)

    def test_servers_say_who_they_are_and_whom_they_see(self) -> None:
        one = self.agents["one"]
        for answer in (one.ask_tcp("172.30.0.2", 7000), *one.ask_udp("172.30.0.2", 7000, 3)):
            self.assertEqual((answer.name, answer.peer_address), ("two", "172.30.0.1"))
            self.assertTrue(answer.source_kept)

    def test_bulk_both_ways(self) -> None:
        with self.agents["one"].tcp("172.30.0.2", 7000) as connection:
            for direction in ("up", "down"):
                self.assertEqual(connection.bulk(direction, 1 << 20)["bytes"], 1 << 20)
            self.assertEqual(connection.ask(2)[1].name, "two")

    def test_ping_counts_answers(self) -> None:
        self.assertEqual(self.agents["one"].ping("172.30.0.2", 2), 2)
        self.assertEqual(self.agents["one"].ping("172.30.0.99", 1, timeout=0.2), 0)

    def test_a_closed_port_is_told_apart_from_silence(self) -> None:
        with self.assertRaises(TrafficError) as refused:
            self.agents["one"].ask_tcp("172.30.0.2", 7009)
        self.assertTrue(refused.exception.refused)
        with self.assertRaises(TrafficError) as silent:
            self.agents["one"].ask_tcp("172.30.0.99", 7000, timeout=0.3)
        self.assertFalse(silent.exception.refused)
        self.assertEqual((refused.exception.silent, silent.exception.silent), (False, True))

    def test_a_capture_on_the_wire_sees_what_a_host_sends(self) -> None:
        capture = self.agents["wire"].capture("one")
        self.agents["one"].ask_udp("172.30.0.2", 7000)
        frames = [frame for frame in capture.stop() if frame.dport == 7000]
        self.assertEqual([frame.ip_src for frame in frames], ["172.30.0.1"])

    def test_raw_frames_arrive_as_they_are(self) -> None:
        capture = self.agents["two"].capture("eth0")
        frame = build_udp(
            "02:aa:00:00:00:01", "ff:ff:ff:ff:ff:ff", "1.2.3.4", "5.6.7.8", 1, 2, b"x"
        )
        self.agents["one"].send_frames("eth0", [frame])
        self.agents["one"].ask_udp("172.30.0.2", 7000)
        self.assertIn("1.2.3.4", [seen.ip_src for seen in capture.stop()])

    def test_an_agent_that_dies_is_an_error_and_no_hang(self) -> None:
        log = self.names.run_dir / "victim.log"
        victim = Agent("victim", self.names.netns_path("one"), log)
        self.owner.adopt(victim.child)
        future = victim.start("ping", address="172.30.0.99", count=1, timeout=20.0)
        os.kill(victim.child.pid, signal.SIGKILL)
        with self.assertRaisesRegex(TrafficError, "died"):
            victim.finish(future, "ping", 10.0)
        victim.stop()


HOLDER = """
import sys
sys.path.insert(0, {path!r})
from lab import state
from lab.traffic import Agent
from lab.wire import Wire
owner = state.claim()
owner.names.run_dir.mkdir(parents=True)
Wire(owner.names)
agent = Agent("wire", owner.names.netns_path("wire"), owner.names.run_dir / "log", linger=True)
if {adopt}:
    owner.adopt(agent.child)
if {keep}:
    owner.keep()
agent.call("serve", proto="tcp", port=7000)
print(owner.names.instance, agent.child.pid, flush=True)
sys.stdin.read()
"""


class Leftovers(unittest.TestCase):
    def test_another_labs_files_are_not_ours(self) -> None:
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(
            os.environ, {"SLUICE_LAB_DIR": folder}
        ):
            ours, longer = Names("abcdef12"), Names("abcdef123")
            (Path(folder) / f"{longer.instance}.lock").touch()
            longer.run_dir.mkdir()
            self.assertEqual(state.leftovers(ours), [])
            (Path(folder) / f"{ours.instance}.json").touch()
            self.assertEqual(state.leftovers(ours), [f"file {folder}/{ours.instance}.json"])


class Reaper(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        require_privileges()
        # A directory of its own: `--down` takes away what is kept there, and in the real one that
        # may be somebody's demo.
        own = tempfile.TemporaryDirectory(prefix="sl-lab-")
        cls.addClassCleanup(own.cleanup)
        there = mock.patch.dict(os.environ, {"SLUICE_LAB_DIR": own.name})
        there.start()
        cls.addClassCleanup(there.stop)

    def hold(self, *, adopt: bool = True, keep: bool = False):
        script = HOLDER.format(path=str(Path(__file__).parent), adopt=adopt, keep=keep)
        holder = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(self.end, holder)
        assert holder.stdout is not None
        instance, pid = holder.stdout.readline().split()
        return holder, Names(instance), int(pid)

    @staticmethod
    def end(holder: subprocess.Popen) -> None:
        holder.kill()
        holder.wait(10)
        for stream in (holder.stdin, holder.stdout):
            if stream is not None:
                stream.close()

    def reap(self) -> None:
        state.claim().release()

    def test_what_a_killed_owner_left_is_removed_by_the_next(self) -> None:
        for adopt in (True, False):  # False: killed before the process was written down
            with self.subTest(adopt=adopt):
                holder, names, pid = self.hold(adopt=adopt)
                self.end(holder)
                self.assertIsNotNone(start_time(pid), "it lingers, or there is nothing to reap")
                self.assertNotEqual(state.leftovers(names), [])
                self.reap()
                self.assertEqual(state.leftovers(names), [])
                self.assertIsNone(start_time(pid))

    def test_a_living_owner_is_left_alone(self) -> None:
        holder, names, pid = self.hold()
        self.reap()
        self.assertTrue(names.netns_path("wire").exists())
        self.assertIsNotNone(start_time(pid))
        self.end(holder)
        self.reap()
        self.assertEqual(state.leftovers(names), [])

    def test_a_kept_lab_stays_until_it_is_taken_down(self) -> None:
        holder, names, pid = self.hold(keep=True)
        self.end(holder)
        self.reap()
        self.assertIsNotNone(start_time(pid))
        run([sys.executable, str(Path(__file__).parent / "demo.py"), "--down"])
        wait_until("the kept agent to end", lambda: start_time(pid) is None, 5.0)
        self.assertEqual(state.leftovers(names), [])

    def test_a_process_that_took_over_the_number_is_not_killed(self) -> None:
        bystander = subprocess.Popen(["sleep", "60"])
        try:
            owner = state.claim()
            owner.record.processes.append((bystander.pid, "1", "someone who had its number"))
            owner.release()
            self.assertIsNone(bystander.poll())
        finally:
            bystander.kill()
            bystander.wait(5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
