# SPDX-License-Identifier: Apache-2.0
"""A node: a namespace with an uplink, the engine, the device plugin and a stand-in kubelet."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Callable

from lab.manifest import NodeSpec
from lab.names import Names
from lab.programs import Programs
from lab.shell import Child, LabError, run, wait_until
from lab.wire import UPLINK, add_namespace

VFS = 8
VNI = 4711
# The kernel puts these into every new namespace when their modules are loaded.
FALLBACK_DEVICES = frozenset(
    "tunl0 sit0 gre0 gretap0 erspan0 ip_vti0 ip6_vti0 ip6tnl0 ip6gre0".split()
)
ENGINE_START_SECONDS = 30.0  # EAL without hugepages on two busy cores


class Node:
    def __init__(
        self,
        names: Names,
        spec: NodeSpec,
        programs: Programs,
        adopt: Callable[[Child], Child],
        *,
        linger: bool = False,
        log_level: str = "info",
    ) -> None:
        self.spec = spec
        self.name = spec.name
        self.names = names
        self.programs = programs
        self._adopt = adopt
        self._linger = linger
        self._log_level = log_level
        self.netns = add_namespace(names, spec.name)
        self.rep_netns = names.netns_path(f"{spec.name}-rep")
        self.run_dir = names.run_dir / spec.name
        self.logs = names.run_dir / "logs"
        self.kubelet_dir = self.run_dir / "kubelet"
        self.kubelet_control = self.run_dir / "kubelet.control"
        self.socket = self.run_dir / "offload.sock"
        self.state_dir = self.run_dir / "state"
        for folder in (self.run_dir, self.logs, self.kubelet_dir, self.state_dir):
            folder.mkdir(parents=True, exist_ok=True)
        # As every Kubernetes node: the harder case for "no path avoids the engine".
        run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], netns=self.netns)
        self.engine: Child | None = None
        self.plugin: Child | None = None
        self.kubelet: Child | None = None

    # --- programs ---------------------------------------------------------------------------

    def start_engine(self, manifest: Path) -> None:
        command = [
            self.programs.path("sluice-offloadd"),
            "--node", self.name, "--manifest", manifest, "--uplink", UPLINK,
            "--nic", "soft", "--vfs", VFS, "--run-dir", self.run_dir, "--rep-netns", self.rep_netns,
            "--vni", VNI, "--log-level", self._log_level, "--remove-on-exit",
        ]  # fmt: skip
        self.engine = self._start("sluice-offloadd", command)

    def await_engine(self) -> None:
        assert self.engine is not None
        engine = self.engine

        def ready() -> bool:
            engine.require_alive()
            return self.socket.exists() and self.ctl_process("status").returncode == 0

        wait_until(
            f"sluice-offloadd of {self.name} to answer on {self.socket} (log: {engine.log})",
            ready,
            ENGINE_START_SECONDS,
        )

    def start_kubelet_and_plugin(self) -> None:
        kubelet = [
            self.programs.path("standin-kubelet"),
            "--dir", self.kubelet_dir, "--control", self.kubelet_control,
        ]  # fmt: skip
        self.kubelet = self._start("standin-kubelet", kubelet)
        plugin = [
            self.programs.path("sluice-device-plugin"),
            "--sysfs-root", self.run_dir / "sysfs", "--kubelet-dir", self.kubelet_dir,
            "--run-dir", self.run_dir, "--state-dir", self.state_dir,
            "--devinfo-dir", self.state_dir / "devinfo", "--dra", "off",
        ]  # fmt: skip
        self.plugin = self._start("sluice-device-plugin", plugin)

    def await_resources(self, resource: str, count: int) -> None:
        """Until the kubelet has heard of all VFs from the plugin."""
        last = {}

        def registered() -> bool:
            for child in (self.kubelet, self.plugin):
                assert child is not None
                child.require_alive()
            nonlocal last
            try:
                last = self.ask_kubelet({"op": "resources"}).get("resources", {})
            except LabError as error:  # its socket is there a moment before it is listened at
                last = {"trouble": str(error)}
                return False
            devices = last.get(resource, {}).get("devices", [])
            return sum(1 for device in devices if device.get("healthy")) == count

        wait_until(
            f"{count} healthy devices of {resource} on {self.name}",
            registered,
            15.0,
            why_not=lambda: f"the kubelet knows {json.dumps(last)[:300]}",
        )

    def _start(self, program: str, command: list) -> Child:
        name = f"{program} of {self.name}"
        log = self.logs / f"{self.name}-{program}.log"
        return self._adopt(
            Child(
                name,
                [str(word) for word in command],
                log=log,
                netns=self.netns,
                linger=self._linger,
                death_signal="TERM",  # lets it remove what it made, even if the lab is killed
            )
        )

    def children(self) -> list[Child]:
        return [child for child in (self.plugin, self.kubelet, self.engine) if child is not None]

    # --- questions --------------------------------------------------------------------------

    def ctl_process(self, *words: str):
        command = [self.programs.path("sluicectl"), "--socket", self.socket, *words]
        return run([str(word) for word in command], timeout=10.0, check=False)

    def ctl(self, *words: str) -> dict:
        done = self.ctl_process(*words, "--json")
        if done.returncode != 0:
            dead = [f"{c.name} {c.how_it_ended()}" for c in self.children() if not c.alive()]
            said = "; ".join(dead) or done.stderr.strip() or f"ended with {done.returncode}"
            raise LabError(f"sluicectl {' '.join(words)} on {self.name}: {said}")
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise LabError(
                f"sluicectl {' '.join(words)} on {self.name} is no JSON: {done.stdout[:200]!r}"
            ) from error

    def delete_flow(self, connection: int) -> None:
        done = self.ctl_process("flows", "delete", str(connection))
        if done.returncode != 0:
            raise LabError(f"sluicectl flows delete {connection}: {done.stderr.strip()}")

    def ask_kubelet(self, request: dict, timeout: float = 10.0) -> dict:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            try:
                sock.connect(str(self.kubelet_control))
                sock.sendall(json.dumps(request).encode() + b"\n")
                with sock.makefile("rb") as reader:
                    line = reader.readline(1 << 20)
                return json.loads(line)
            except (OSError, ValueError) as error:
                raise LabError(
                    f"the stand-in kubelet of {self.name} gave no answer to {request}: {error}"
                ) from error

    def allocate(self, pod: str, resource: str, count: int) -> dict:
        return self.ask_kubelet({
            "op": "allocate", "pod": pod, "resource": resource, "count": count,
        })  # fmt: skip

    def free(self, pod: str) -> None:
        self.ask_kubelet({"op": "free", "pod": pod})

    # --- the end ----------------------------------------------------------------------------

    def stop(self) -> None:
        for child in self.children():
            child.stop(timeout=10.0)

    def what_the_engine_left(self) -> list[str]:
        """After a stop with --remove-on-exit: everything but the node's own uplink is too much."""
        left = []
        done = run(["ip", "-j", "link", "show"], netns=self.netns)
        links = [link["ifname"] for link in json.loads(done.stdout)]
        usual = {"lo", UPLINK, *FALLBACK_DEVICES}
        left += [f"interface {name}" for name in links if name not in usual]
        rules = run(["nft", "list", "tables"], netns=self.netns).stdout.split("\n")
        left += [f"nft {line}" for line in rules if line.strip()]
        if self.rep_netns.exists():
            left.append(f"namespace {self.rep_netns}")
        for name in ("offload.sock", "vf.sock", "sysfs"):
            if (self.run_dir / name).exists():
                left.append(f"file {self.run_dir / name}")
        return [f"{self.name}: {text}" for text in left]

    def restart_engine(self, manifest: Path) -> float:
        """Seconds from the start of the new one to its first answer."""
        started = time.monotonic()
        self.start_engine(manifest)
        self.await_engine()
        return time.monotonic() - started
