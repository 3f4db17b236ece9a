#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the simulated PF keeps of its VFs, over its socket: kept when the engine is killed, and when
the VF dies with its pod's namespace and is made again.

Needs root and the built programs (SLUICE_BIN).
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from engine_calls import decode, encode  # noqa: E402
from lab.names import NETNS_DIR, PREFIX, checkout_hash, project_root  # noqa: E402
from lab.programs import find_programs, require_privileges, require_tools  # noqa: E402
from lab.shell import run, wait_until  # noqa: E402

SAMPLE = project_root() / "deploy/samples/demo.yaml"
MAC = "02:00:00:00:aa:01"
# VfRequest's fields but for the address, and how VfResponse answers them: one number higher.
WISHES: dict[int, int | str] = {
    3: 100, 4: 3, 5: 0x88A8, 6: 0, 7: 1, 8: 1, 9: "disable", 10: 10, 11: 20,
}  # fmt: skip
ANSWERED = {number + 1: value for number, value in WISHES.items()}
DEFAULTS = {4: 0, 5: 0, 6: 0x8100, 7: 1, 8: 0, 9: 0, 10: "auto", 11: 0, 12: 0}
CODE, ANSWERED_MAC = 1, 3


def setUpModule() -> None:
    require_privileges()
    require_tools()
    find_programs()


class VfAttributes(unittest.TestCase):
    def setUp(self) -> None:
        name = f"{PREFIX}{checkout_hash()}{os.getpid():x}-vf"
        self.netns, self.pod = NETNS_DIR / name, NETNS_DIR / f"{name}-pod"
        for netns in (self.netns, self.pod):
            run(["ip", "netns", "add", netns.name])
            self.addCleanup(run, ["ip", "netns", "del", netns.name], check=False)
        run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "wire"], netns=self.netns)
        run(["ip", "address", "add", "172.30.0.11/24", "dev", "eth0"], netns=self.netns)
        run(["ip", "link", "set", "eth0", "up"], netns=self.netns)
        directory = tempfile.TemporaryDirectory(prefix="sluice-vf-")
        self.addCleanup(directory.cleanup)
        self.run_dir = Path(directory.name)
        self.rep_netns = NETNS_DIR / f"{name}-rep"
        self.engine: subprocess.Popen | None = None
        self.addCleanup(self.stop)
        self.start()

    def start(self) -> None:
        self.engine = subprocess.Popen(
            [
                "nsenter", f"--net={self.netns}",
                find_programs().path("sluice-offloadd"),
                "--node", "node-a", "--manifest", SAMPLE, "--run-dir", self.run_dir,
                "--rep-netns", self.rep_netns, "--vfs", "2", "--remove-on-exit",
            ],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until("the NIC's socket", self.answers, 30.0)

    def stop(self) -> None:
        assert self.engine is not None
        self.engine.terminate()
        self.assertEqual(self.engine.wait(20), 0)
        self.assertFalse(self.rep_netns.exists())

    def answers(self) -> bool:
        try:
            return bool(self.ask(0))
        except OSError:
            return False

    def ask(self, vf: int, wishes: dict[int, int | str] | None = None) -> dict[int, int | str]:
        device = self.run_dir / "sysfs/class/net/eth0/device" / f"virtfn{vf}"
        request = encode(1, device.resolve().name)
        request += b"".join(encode(number, value) for number, value in (wishes or {}).items())
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(10)
            sock.connect(str(self.run_dir / "vf.sock"))
            sock.sendall(struct.pack("!I", len(request)) + request)
            with sock.makefile("rb") as reader:
                (size,) = struct.unpack("!I", reader.read(4))
                answer = dict(decode(reader.read(size)))
        return {
            number: value.decode() if isinstance(value, bytes) else value
            for number, value in answer.items()
        }

    def test_kept_with_the_vf(self) -> None:
        fresh = {ANSWERED_MAC: "00:00:00:00:00:00", **DEFAULTS}
        self.assertEqual(self.ask(0), fresh)
        wanted = {ANSWERED_MAC: MAC, **ANSWERED}
        self.assertEqual(self.ask(0, {2: MAC, **WISHES}), wanted)
        self.assertEqual(self.ask(1), fresh, "another VF")
        link = run(["ip", "-br", "link", "show", "eth0v0"], netns=self.netns).stdout
        self.assertIn(MAC, link)

        refused = self.ask(0, {3: 5, 9: "sideways"})
        self.assertEqual(refused[CODE], "invalid")
        self.assertEqual(self.ask(0), wanted, "nothing of a request that is refused")

        # In a pod a VF keeps the MAC that it has, whatever its PF is told, as one of hardware does.
        other = "02:00:00:00:aa:02"
        run(["ip", "link", "set", "eth0v0", "netns", self.pod.name], netns=self.netns)
        told = self.ask(0, {2: other, 3: 101})
        self.assertEqual((told.get(CODE), told[ANSWERED_MAC], told[4]), (None, other, 101))
        link = run(["ip", "-br", "link", "show", "eth0v0"], netns=self.pod).stdout
        self.assertIn(MAC, link)
        self.assertEqual(self.ask(0, {2: MAC, 3: 102})[4], 102)
        wanted[4] = 102

        assert self.engine is not None
        self.engine.send_signal(signal.SIGKILL)
        self.engine.wait(10)
        (self.run_dir / "vf.sock").unlink()
        self.start()
        self.assertEqual(self.ask(0), wanted, "after the engine was killed")

        run(["ip", "netns", "del", self.pod.name])
        wait_until(
            "the VF to be made again",
            lambda: run(["ip", "link", "show", "eth0v0"], netns=self.netns, check=False).returncode
            == 0,
            20.0,
        )
        self.assertEqual(self.ask(0), wanted, "after its namespace died")


if __name__ == "__main__":
    unittest.main()
