# SPDX-License-Identifier: Apache-2.0
"""A VF of a real driver, in the namespace that this runs in: the test lane's guest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from sweep.core import Answer, Pod
from sweep.files import files_of_attachments

CALL_SECONDS = 120.0
LINK_KEYS = (
    "ifname", "address", "mtu", "flags", "ifalias", "altnames", "promiscuity", "allmulti", "qdisc",
    "txqlen", "group", "master",
)  # fmt: skip


class IgbPlace:
    """Contract: VF `index` of `pf` is this one's alone, as is `folder`."""

    def __init__(self, programs: Path, folder: Path, pf: str, index: int) -> None:
        self._programs = programs
        self._pf, self._index = pf, index
        self._name = f"{pf}v{index}"
        self._device = os.readlink(f"/sys/class/net/{pf}/device/virtfn{index}").rpartition("/")[2]
        self._state, self._baselines = folder / "state", folder / "baselines"
        self._info = folder / "devinfo" / "info.json"
        self._stats = folder / "stats"
        self._pods = 0
        self._namespace = ""  # of the last pod, if it lives

    def make_pod(self) -> Pod:
        self._pods += 1
        if not self._namespace:
            self._namespace = f"{self._name}-{self._pods}"
            subprocess.run(["ip", "netns", "add", self._namespace], check=True)
        return Pod(f"c-{self._name}-{self._pods}", f"/run/netns/{self._namespace}")

    def end_pod(self, pod: Pod) -> None:
        subprocess.run(["ip", "netns", "del", os.path.basename(pod.netns)], check=True)
        self._namespace = ""

    def call(self, verb: str, pod: Pod, kill_at: int | None = None) -> Answer:
        variables = {"CONTAINERID": pod.container, "NETNS": pod.netns, "IFNAME": "net1"}
        return self._run(verb, variables, self._config(), kill_at)

    def collect(self) -> Answer:
        return self._run("GC", {}, {**self._config(), "cni.dev/valid-attachments": []}, None)

    def repair(self) -> Answer:
        return self._exec([
            self._programs / "sluice-cni", "repair", "--state-dir", self._state,
            "--baseline-dir", self._baselines, "--stats-file", self._stats,
        ], {}, "")  # fmt: skip

    def look(self) -> dict[str, Any]:
        # Elsewhere: a name that no link has.
        [name] = os.listdir(f"/sys/bus/pci/devices/{self._device}/net") or [""]
        pf, link = _links(self._pf, name)
        attributes = without_own_mac(pf["vfinfo_list"][self._index], link)
        return {
            **{f"link {key}": link.get(key) for key in LINK_KEYS},
            **{f"attribute {key}": value for key, value in attributes.items()},
            "files": files_of_attachments(self._state, self._info.parent),
        }

    def forget_baseline(self) -> None:
        shutil.rmtree(self._baselines, ignore_errors=True)

    def _config(self) -> dict[str, Any]:
        return {
            "cniVersion": "1.1.0", "name": self._name, "type": "sriov", "deviceID": self._device,
            "vlan": 100, "vlanQoS": 3, "mac": f"02:00:00:00:77:0{self._index}", "mtu": 1400,
            "spoofchk": "off", "trust": "off", "max_tx_rate": 100, "promisc": "on",
            "ipam": {"type": "sluice", "subnet": "10.66.0.0/24"},
            "capabilities": {"CNIDeviceInfoFile": True},
            "runtimeConfig": {"CNIDeviceInfoFile": str(self._info)},
            "stateDir": str(self._state), "baselineDir": str(self._baselines),
            "statsFile": str(self._stats),
        }  # fmt: skip

    def _run(
        self, verb: str, variables: dict[str, str], config: dict[str, Any], kill_at: int | None
    ) -> Answer:
        command = [self._programs / "sluice-cni"]
        if kill_at is not None:
            command = [self._programs / "kill-at", str(kill_at), *command]
        environment = {"CNI_COMMAND": verb, "CNI_PATH": str(self._programs)}
        environment |= {f"CNI_{name}": value for name, value in variables.items()}
        return self._exec(command, environment, json.dumps(config))

    @staticmethod
    def _exec(command: list[Any], environment: dict[str, str], stdin: str) -> Answer:
        done = subprocess.run(
            [str(word) for word in command],
            input=stdin, env={**os.environ, **environment}, text=True, timeout=CALL_SECONDS,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout)


def without_own_mac(attributes: dict[str, Any], link: dict[str, Any]) -> dict[str, Any]:
    """igb shows a VF's own MAC as the administrative one, from when the VF has told it."""
    own = attributes["address"] == link.get("address")
    return {**attributes, "address": "00:00:00:00:00:00"} if own else attributes


def _links(*names: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["ip", "-j", "-d", "-batch", "-"],
        input="".join(f"link show dev {name}\n" for name in names),
        check=True, text=True, capture_output=True,
    )  # fmt: skip
    return [json.loads(line)[0] for line in done.stdout.splitlines() if line]
