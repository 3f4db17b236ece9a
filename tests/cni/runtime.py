# SPDX-License-Identifier: Apache-2.0
"""What a container runtime does: network configurations, pods' namespaces, calls by cnitool.

cnitool keeps results below /var/lib/cni, and host-local its leases: each call sees a folder of the
lab's there, in a mount namespace of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "netns"))
sys.dont_write_bytecode = True

from lab.cluster import Cluster  # noqa: E402
from lab.manifest import read_manifest  # noqa: E402
from lab.names import project_root  # noqa: E402
from lab.node import Node  # noqa: E402
from lab.programs import find_programs, require_privileges, require_tools  # noqa: E402
from lab.shell import LabError, run, wait_until  # noqa: E402

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
NEWEST = VERSIONS[-1]
NODE = "n1"
MANIFEST = f"""\
apiVersion: v1
kind: Node
metadata: {{name: {NODE}}}
spec: {{podCIDR: 10.77.0.0/24}}
status: {{addresses: [{{type: InternalIP, address: 172.30.0.11}}]}}
"""
CALL_SECONDS = 60.0
TOOLS_MINUTES = 20  # to build them, the first time


def cni_tools() -> Path:
    """The folder with cnitool, host-local and the others."""
    done = subprocess.run(
        [project_root() / "scripts/cni-tools"],
        stdout=subprocess.PIPE, text=True, timeout=TOOLS_MINUTES * 60,
    )  # fmt: skip
    if done.returncode != 0:
        raise LabError(f"scripts/cni-tools ended with {done.returncode} (see above)")
    return Path(done.stdout.strip())


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """cnitool's own words: what failed, behind its usage."""
        return (self.err.strip() or "nothing").splitlines()[-1]


@dataclass(frozen=True)
class Runtime:
    """A node's container runtime. Contract: `plugins` is a CNI_PATH; `folder` is empty."""

    node: Node
    plugins: tuple[Path, ...]
    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder / "var-lib/cni"

    def results(self) -> list[Path]:
        """What libcni remembers of attachments."""
        return sorted((self.cache / "results").glob("*"))

    def network(self, name: str, version: str, *plugins: dict[str, Any]) -> str:
        """Writes the configuration list; cnitool finds it by its name."""
        configs = self.folder / "net.d"
        configs.mkdir(exist_ok=True)
        content = {"cniVersion": version, "name": name, "plugins": list(plugins)}
        (configs / f"{name}.conflist").write_text(json.dumps(content))
        return name

    def tool(
        self,
        verb: str,
        network: str,
        netns: Path,
        *,
        capabilities: dict[str, Any] | None = None,
        args: str = "",
        interface: str = "eth0",
    ) -> Answer:
        (self.folder / "var-lib").mkdir(exist_ok=True)
        command = [
            "unshare", "--mount", "--propagation", "private", "sh", "-c",
            'mount --bind "$0" /var/lib && exec "$@"', str(self.folder / "var-lib"),
            str(self.plugins[-1] / "cnitool"), verb, network, str(netns),
        ]  # fmt: skip
        environment = {
            "CNI_PATH": ":".join(map(str, self.plugins)),
            "NETCONFPATH": str(self.folder / "net.d"),
            "CNI_IFNAME": interface,
            "CNI_ARGS": args,
            "CAP_ARGS": json.dumps(capabilities) if capabilities else "",
        }
        done = run(
            command, netns=self.node.netns, env=environment, timeout=CALL_SECONDS, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def call(self, verb: str, stdin: str, **variables: str) -> Answer:
        """The plugin itself, without a library in between."""
        environment = {"CNI_COMMAND": verb, "CNI_PATH": ":".join(map(str, self.plugins))}
        environment |= {f"CNI_{name}": value for name, value in variables.items()}
        inherited = [name for name in os.environ if name.startswith("CNI_")]
        unset = [word for name in inherited for word in ("-u", name)]
        done = run(
            ["env", *unset, *(f"{k}={v}" for k, v in environment.items()),
             str(self.node.programs.path("sluice-cni"))],
            netns=self.node.netns, stdin=stdin, timeout=CALL_SECONDS, check=False,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)


class OneNode(unittest.TestCase):
    """A node with an engine on a simulated NIC, shared by the tests of a class. Each test has a
    runtime of its own, and must leave the node as it was."""

    cluster: Cluster
    node: Node
    tools: Path
    runtime: Runtime

    @classmethod
    def setUpClass(cls) -> None:
        require_privileges()
        require_tools()
        programs = find_programs()
        cls.tools = cni_tools()
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(MANIFEST)
            file.flush()
            manifest = read_manifest(Path(file.name))
        cls.cluster = Cluster(manifest, programs)
        cls.addClassCleanup(cls._take_down)
        cls.cluster.up()
        cls.node = cls.cluster.nodes[NODE]

    @classmethod
    def _take_down(cls) -> None:
        if left := cls.cluster.down():
            raise AssertionError(f"left behind: {left}")

    def setUp(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="runtime-", dir=self.node.run_dir))
        plugins = folder / "bin"
        plugins.mkdir()
        for name in ("sluice-cni", "sriov"):  # both names are the same program
            (plugins / name).symlink_to(self.node.programs.path("sluice-cni"))
        self.runtime = Runtime(self.node, (plugins, self.tools), folder)
        self._pods = 0
        self._before = self.footprint()
        self.addCleanup(self.check_footprint)

    # --- the node -----------------------------------------------------------------------------

    def footprint(self) -> dict[str, Any]:
        """What an attachment leaves while it is there, and must not leave behind it."""
        links = json.loads(run(["ip", "-j", "link"], netns=self.node.netns).stdout)
        state = self.node.state_dir
        return {
            "links": sorted((link["ifname"], link.get("address")) for link in links),
            "records": sorted(path.name for path in (state / "attachments").glob("*")),
            "addresses": sorted(
                str(path.relative_to(state))
                for path in (state / "ipam").rglob("*")
                if path.is_file() and path.name[0].isdigit()
            ),
            "ports": [
                port["pod"]
                for port in self.node.ctl("ports").get("ports") or []
                if port.get("pod")
            ],
        }

    def check_footprint(self) -> None:
        # A withdrawn attachment leaves its port when the engine gets to it.
        wait_until(
            "the engine's ports to be those of before",
            lambda: self.footprint()["ports"] == self._before["ports"],
            30.0,
        )
        self.assertEqual(self.footprint(), self._before)

    def await_vfs(self) -> None:
        """After a namespace died with a VF in it: a simulated one dies too, and the NIC makes it
        anew when the kernel says so."""
        wait_until(
            "the NIC's VFs to be there again",
            lambda: self.footprint()["links"] == self._before["links"],
            30.0,
        )

    def devices(self) -> list[str]:
        """PCI addresses of the NIC's VFs."""
        return sorted(
            os.readlink(link).rpartition("/")[2]
            for link in (self.node.run_dir / "sysfs/bus/pci/devices").glob("*/virtfn*")
        )

    # --- networks and pods --------------------------------------------------------------------

    def places(self) -> dict[str, Any]:
        """Where this node's things are, as keys of a configuration."""
        return {
            "stateDir": str(self.node.state_dir),
            "statsFile": str(self.node.run_dir / "cni-stats"),
            "baselineDir": str(self.node.run_dir / "baselines"),
        }

    def sluice(self, **keys: Any) -> dict[str, Any]:
        """A plugin's configuration in our own form, with the engine; a veth unless `deviceID`."""
        return {
            "type": "sluice-cni",
            "engineSocket": str(self.node.socket),
            "devicePlugin": "never",
            **self.places(),
            **keys,
        }

    def sriov(self, device: str, **keys: Any) -> dict[str, Any]:
        """In sriov-cni's form: no engine, the VF as it is."""
        return {
            "type": "sriov",
            "deviceID": device,
            "sysfsRoot": str(self.node.run_dir / "sysfs"),
            "vfControlSocket": str(self.node.run_dir / "vf.sock"),
            **self.places(),
            **keys,
        }

    @staticmethod
    def config(network: str, plugin: dict[str, Any], **more: Any) -> str:
        """What libcni makes of a network's one plugin for its stdin."""
        return json.dumps({"cniVersion": NEWEST, "name": network, **plugin, **more})

    def make_pod(self) -> Path:
        self._pods += 1
        name = self.cluster.names.netns(f"pod{self._pods}")
        run(["ip", "netns", "add", name])
        path = self.cluster.names.netns_path(f"pod{self._pods}")
        self.addCleanup(self.end_pod, path)
        return path

    def end_pod(self, path: Path) -> None:
        run(["ip", "netns", "delete", path.name], check=False)

    def link(self, pod: Path, interface: str = "eth0") -> dict[str, Any]:
        return json.loads(run(["ip", "-j", "-d", "addr", "show", interface], netns=pod).stdout)[0]

    # --- calls --------------------------------------------------------------------------------

    def succeed(self, verb: str, network: str, pod: Path, **more: Any) -> Answer:
        answer = self.runtime.tool(verb, network, pod, **more)
        self.assertEqual(answer.code, 0, f"{verb} of {network}: {answer.said}")
        return answer

    def refused(self, verb: str, network: str, pod: Path, words: str, **more: Any) -> Answer:
        answer = self.runtime.tool(verb, network, pod, **more)
        self.assertNotEqual(answer.code, 0, f"{verb} of {network} was accepted")
        self.assertRegex(answer.said, words)
        return answer

    def add(self, network: str, pod: Path, **more: Any) -> dict[str, Any]:
        """An ADD whose DEL comes with the end of the test, if it didn't come before."""
        result = self.succeed("add", network, pod, **more).json()
        self.addCleanup(self.runtime.tool, "del", network, pod, **more)
        return result
