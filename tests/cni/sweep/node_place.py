# SPDX-License-Identifier: Apache-2.0
"""A node of the lab with its engine: a simulated VF, or a veth."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
from pathlib import Path
from typing import Any

from lab.names import Names
from lab.node import Node
from lab.shell import run, wait_until

from sweep.core import Answer, Pod
from sweep.files import files_of_attachments

CALL_SECONDS = 60.0
# The NIC makes a software VF anew that went with its namespace, and the engine its port.
NIC_SECONDS = 10.0
LINK_KEYS = (
    "ifname", "address", "mtu", "flags", "ifalias", "altnames", "promiscuity", "allmulti", "qdisc",
    "txqlen", "group", "master",
)  # fmt: skip


class NodePlace:
    """Contract: the VF `device` (empty: a veth) is this one's alone, as are `folder`, which is
    empty, the addresses that `ipam` gives, and pods whose names begin with `name`."""

    def __init__(
        self,
        node: Node,
        names: Names,
        folder: Path,
        name: str,
        device: str,
        ipam: dict[str, Any],
    ) -> None:
        self._node, self._names, self._name = node, names, name
        self._device, self._ipam = device, ipam
        self._state, self._baselines = folder / "state", folder / "baselines"
        self._info = folder / "devinfo" / "info.json"
        self._stats = folder / "stats"
        self._pods = 0
        self._namespace = ""  # of the last pod, if it lives

    def make_pod(self) -> Pod:
        self._pods += 1
        if not self._namespace:
            self._namespace = f"{self._name}{self._pods}"
            run(["ip", "netns", "add", self._names.netns(self._namespace)])
        path = self._names.netns_path(self._namespace)
        return Pod(f"sweep-{self._name}{self._pods}", str(path))

    def end_pod(self, pod: Pod) -> None:
        run(["ip", "netns", "del", os.path.basename(pod.netns)])
        self._namespace = ""

    def call(self, verb: str, pod: Pod, kill_at: int | None = None) -> Answer:
        variables = {"CONTAINERID": pod.container, "NETNS": pod.netns, "IFNAME": "eth0"}
        return self._run(verb, variables, self._config(), kill_at)

    def collect(self) -> Answer:
        return self._run("GC", {}, {**self._config(), "cni.dev/valid-attachments": []}, None)

    def repair(self) -> Answer:
        return self._exec([
            self._program("sluice-cni"), "repair", "--state-dir", self._state,
            "--baseline-dir", self._baselines, "--stats-file", self._stats,
            "--sysfs-root", self._node.run_dir / "sysfs",
            "--vf-control-socket", self._node.run_dir / "vf.sock",
        ], {}, "")  # fmt: skip

    def look(self) -> dict[str, Any]:
        return {
            **(self._look_at_vf() if self._device else self._look_at_veths()),
            "files": files_of_attachments(
                self._state, self._info.parent, self._node.run_dir / "pending"
            ),
            "ports": [
                port["pod"]
                for port in self._node.ctl("ports")["ports"]
                if f"sweep-{self._name}" in port["pod"]
            ],
        }

    def forget_baseline(self) -> None:
        shutil.rmtree(self._baselines, ignore_errors=True)

    def _look_at_vf(self) -> dict[str, Any]:
        folder = self._node.run_dir / "sysfs/bus/pci/devices" / self._device / "net"
        wait_until(f"the netdev of {self._device}", lambda: self._has_port(folder), NIC_SECONDS)
        [name] = os.listdir(folder)
        [link] = self._links("dev", name)
        return {
            **{f"link {key}": link.get(key) for key in LINK_KEYS},
            "attributes": _vf_attributes(self._node.run_dir / "vf.sock", self._device),
        }

    def _has_port(self, folder: Path) -> bool:
        names = os.listdir(folder) if folder.exists() else []
        return bool(names) and any(link["ifname"] == names[0] for link in self._links())

    def _look_at_veths(self) -> dict[str, Any]:
        return {"veths": [link["ifname"] for link in self._links() if link["ifname"][:2] == "sl"]}

    def _links(self, *words: str) -> list[dict[str, Any]]:
        done = run(["ip", "-j", "-d", "link", "show", *words], netns=self._node.netns)
        return json.loads(done.stdout)

    def _config(self) -> dict[str, Any]:
        return {
            "cniVersion": "1.1.0", "name": "sweep", "type": "sluice-cni",
            "engineSocket": str(self._node.socket), "devicePlugin": "never",
            "stateDir": str(self._state), "baselineDir": str(self._baselines),
            "statsFile": str(self._stats), "mtu": 1300, "ipam": self._ipam,
            **(self._vf_keys() if self._device else {}),
        }  # fmt: skip

    def _vf_keys(self) -> dict[str, Any]:
        return {
            "deviceID": self._device, "mac": self._mac(), "spoofchk": "off",
            "trust": "on", "promisc": "on",
            "capabilities": {"CNIDeviceInfoFile": True},
            "runtimeConfig": {"CNIDeviceInfoFile": str(self._info)},
        }  # fmt: skip

    def _mac(self) -> str:
        """The engine lets one be used once on a node."""
        _, bus, function = self._device.split(":")
        return f"02:00:00:{bus}:{function[:2]}:0{function[3:]}"

    def _program(self, name: str) -> Path:
        return self._node.programs.path(name)

    def _run(
        self, verb: str, variables: dict[str, str], config: dict[str, Any], kill_at: int | None
    ) -> Answer:
        command: list[Any] = [self._program("sluice-cni")]
        if kill_at is not None:
            command = [self._program("kill-at"), kill_at, *command]
        environment = {"CNI_COMMAND": verb, "CNI_PATH": str(self._node.programs.folder)}
        environment |= {f"CNI_{name}": value for name, value in variables.items()}
        return self._exec(command, environment, json.dumps(config))

    def _exec(self, command: list[Any], environment: dict[str, str], stdin: str) -> Answer:
        done = run(
            [str(word) for word in command],
            netns=self._node.netns, stdin=stdin, env=environment, timeout=CALL_SECONDS, check=False,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout + done.stderr)


def _vf_attributes(path: Path, device: str) -> str:
    """The simulated PF's answer, as it comes (common/api/vf_control.proto): what is compared."""
    request = b"\x0a" + bytes([len(device)]) + device.encode()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(NIC_SECONDS)
        client.connect(str(path))
        client.sendall(struct.pack(">I", len(request)) + request)
        stream = client.makefile("rb")
        [size] = struct.unpack(">I", stream.read(4))
        return stream.read(size).decode("latin-1")
