# SPDX-License-Identifier: Apache-2.0
"""The whole cluster: control plane, wire and two nodes, brought up and taken down."""

from __future__ import annotations

import ipaddress
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import yaml

from cluster import ROOT, apiserver, cgroups, image, pki, sluice
from cluster.apiserver import ApiServer
from cluster.binaries import Binaries
from cluster.kubectl import Kubectl, is_ready
from cluster.node import Node
from lab import memory_files, state
from lab.manifest import write_watched_copy
from lab.names import Names
from lab.shell import LabError, run, tail
from lab.state import Ownership
from lab.wire import Wire

POD_NETWORK = "10.244.0.0/16"
NODES = {"n1": "10.99.0.11", "n2": "10.99.0.12"}
NODE_SECONDS = 60.0
BUSYBOX = Path("/bin/busybox")
Say = Callable[[str], None]


class Cluster:
    """Contract: `up` or an exception; `down` in any case, once, whatever `up` had reached."""

    def __init__(
        self,
        binaries: Binaries,
        bin_dir: Path,
        *,
        keep: bool = False,
        runtime_config: tuple[str, ...] = (),
        say: Say = lambda text: None,
    ) -> None:
        self.binaries = binaries
        self.bin_dir = bin_dir.resolve()
        self.keep = keep
        self.nodes: dict[str, Node] = {}
        self._runtime_config = runtime_config
        self._say = say
        self._owner: Ownership | None = None
        self._names: Names | None = None
        self._memory_before: set[Path] = set()

    @staticmethod
    def attach(instance: str, binaries: Binaries, bin_dir: Path) -> "Cluster":
        """To one that is up and belongs to somebody else; `down` then does nothing."""
        cluster = Cluster(binaries, bin_dir)
        cluster._names = Names(instance)
        cluster._make_nodes()
        return cluster

    # --- up ---------------------------------------------------------------------------------

    @property
    def names(self) -> Names:
        assert self._names is not None, "the cluster is not up"
        return self._names

    @property
    def owner(self) -> Ownership:
        assert self._owner is not None, "the cluster is not ours"
        return self._owner

    @property
    def ours(self) -> bool:
        """Whether `down` takes it away."""
        return self._owner is not None

    @property
    def kubeconfig(self) -> Path:
        return self.names.run_dir / "kubeconfig"

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.binaries.kube("kubectl"), self.kubeconfig)

    def up(self) -> None:
        self._memory_before = memory_files.present()
        self._owner = state.claim()
        self._names = self._owner.names
        cgroups.reap()
        self.names.run_dir.mkdir(parents=True, mode=0o755)
        (self.names.run_dir / "logs").mkdir()
        self._say("wire, etcd and API server")
        wire = Wire(self.names)
        self._make_nodes()
        for role, address in {apiserver.ROLE: apiserver.ADDRESS, **NODES}.items():
            run(["ip", "netns", "add", self.names.netns(role)])
            run(["ip", "link", "set", "lo", "up"], netns=self.names.netns_path(role))
            wire.plug(role, ipaddress.IPv4Interface(f"{address}/24"))
        server = ApiServer(
            self._owner, self.binaries, linger=self.keep, runtime_config=self._runtime_config
        )
        server.start()
        for node in self.nodes.values():
            node.start(self._owner, server.pki, server.inner_url, self.keep)
        # The nodes' runtimes need no API server: both at once. Programs that are to die with us
        # are started by this thread, because the kernel counts the thread as their parent.
        with ThreadPoolExecutor() as pool:
            runtimes = pool.submit(self._start_runtimes)
            server.await_ready()
            self._start_controllers(server)
            runtimes.result()
        self._say("two nodes: kubelet, engine with a simulated NIC, device plugin")
        self._start_nodes(server)

    def _make_nodes(self) -> None:
        for name, address in NODES.items():
            self.nodes[name] = Node(self.names, name, address, self.binaries, self.bin_dir)

    def _start_runtimes(self) -> None:
        archive = image.make(
            self.names.run_dir / "image.tar", self.binaries.kube("agnhost"), BUSYBOX
        )
        for node in self.nodes.values():
            node.await_root()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: node.start_runtime(archive), self.nodes.values()))
        archive.unlink()

    def _start_controllers(self, server: ApiServer) -> None:
        for name in ("kube-controller-manager", "kube-scheduler"):
            pair = server.pki.issue(name, f"system:{name}")
            server.pki.kubeconfig(
                self.names.run_dir / f"{name}.kubeconfig", server.inner_url, pair
            )
        manager = [
            self.binaries.kube("kube-controller-manager"),
            "--kubeconfig", self.names.run_dir / "kube-controller-manager.kubeconfig",
            "--service-account-private-key-file", server.pki.accounts_key,
            "--root-ca-file", server.pki.ca.certificate, "--use-service-account-credentials",
            "--allocate-node-cidrs", "--cluster-cidr", POD_NETWORK,
            "--service-cluster-ip-range", apiserver.SERVICE_NETWORK,
            "--leader-elect=false", "--bind-address", "127.0.0.1", "--authentication-skip-lookup",
            "--flex-volume-plugin-dir", self.names.run_dir / "flex",  # it makes it
        ]  # fmt: skip
        server.run_program("kube-controller-manager", manager, server.netns)
        scheduler = [
            self.binaries.kube("kube-scheduler"),
            "--kubeconfig", self.names.run_dir / "kube-scheduler.kubeconfig",
            "--leader-elect=false", "--bind-address", "127.0.0.1", "--authentication-skip-lookup",
        ]  # fmt: skip
        server.run_program("kube-scheduler", scheduler, server.netns)

    def _start_nodes(self, server: ApiServer) -> None:
        nodes = list(self.nodes.values())
        for node in nodes:
            node.start_program("kubelet")
        self._await_nodes("to be registered and have a podCIDR", _has_block)
        self.write_manifest()
        for node in nodes:
            node.start_program("sluice-offloadd")
        self._allow_device_plugin(server)
        for node in nodes:
            node.await_engine()
            node.write_cni_configuration()
            node.start_program("sluice-device-plugin")
        self._await_nodes("to be Ready", is_ready)
        self.await_allocatable()
        self.kubectl.wait(
            "the service account of the namespace default",
            lambda: self.kubectl.items("serviceaccounts"),
        )

    def _allow_device_plugin(self, server: ApiServer) -> None:
        """The shipped permissions, and a service account's token as in a DaemonSet."""
        rules = ROOT / sluice.RBAC
        documents = [d for d in yaml.safe_load_all(rules.read_text()) if d]
        account = next(d["metadata"] for d in documents if d["kind"] == "ServiceAccount")
        namespace = account.get("namespace", "default")
        if namespace not in {n["metadata"]["name"] for n in self.kubectl.items("namespaces")}:
            self.kubectl("create", "namespace", namespace)
        inside = self.kubectl.within(namespace)
        inside("apply", "-f", str(rules))
        lifetime = f"--duration={24 * int(pki.DAYS)}h"  # as long as the certificates'
        token = inside("create", "token", account["name"], lifetime).strip()
        target = self.names.run_dir / "device-plugin.kubeconfig"
        server.pki.token_kubeconfig(target, server.inner_url, token)

    def write_manifest(self) -> None:
        manifest = self.names.run_dir / "manifest" / "cluster.yaml"
        write_watched_copy(manifest, sluice.engine_manifest(self.kubectl.items("nodes")), [])

    def _await_nodes(self, what: str, good: Callable[[dict], bool]) -> None:
        def all_good() -> bool:
            for node in self.nodes.values():
                node.require_running("kubelet")
            return sum(good(node) for node in self.kubectl.items("nodes")) == len(self.nodes)

        self.kubectl.wait(f"both nodes {what}", all_good, NODE_SECONDS, self.node_conditions)

    def allocatable(self, resource: str = sluice.RESOURCE) -> dict[str, int]:
        return {
            node["metadata"]["name"]: int(node["status"].get("allocatable", {}).get(resource, -1))
            for node in self.kubectl.items("nodes")
        }

    def await_allocatable(
        self, count: int = sluice.VFS, resource: str = sluice.RESOURCE, timeout: float = 60.0
    ) -> None:
        wanted = {name: count for name in self.nodes}
        self.kubectl.wait(
            f"allocatable {resource} {wanted}",
            lambda: self.allocatable(resource) == wanted,
            timeout,
            lambda: f"it is {self.allocatable(resource)}\n{self.log_tails('sluice-device-plugin')}",
        )

    # --- what people want to see --------------------------------------------------------------

    def node_conditions(self) -> str:
        lines = []
        for node in self.kubectl.items("nodes"):
            told = [
                f"{c['type']}={c['status']} ({c.get('message', '')[:200]})"
                for c in node["status"].get("conditions", [])
            ]
            block = node["spec"].get("podCIDR")
            lines.append(f"      {node['metadata']['name']} podCIDR={block} {'; '.join(told)}")
        return "\n".join(lines) + "\n" + self.log_tails("kubelet")

    def log_tails(self, name: str, lines: int = 6) -> str:
        return "\n".join(
            f"    {node.log(name)}:\n{tail(node.log(name), lines)}" for node in self.nodes.values()
        )

    def save_logs(self) -> Path | None:
        """For a run that failed: they survive the run directory."""
        if self._owner is None or not (self.names.run_dir / "logs").is_dir():
            return None
        target = ROOT / "build" / "kubernetes-logs" / self.names.instance
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.names.run_dir / "logs", target)
        for node in self.nodes.values():
            for words in (("status",), ("ports",), ("flows",)):
                try:
                    told = json.dumps(node.ctl(*words), indent=1)
                except (LabError, ValueError) as error:
                    told = str(error)
                (target / f"{node.name}-{words[0]}.txt").write_text(told)
        return target

    # --- down -------------------------------------------------------------------------------

    def down(self) -> list[str]:
        """Removes everything, and says what is still there (nothing, one hopes)."""
        if self._owner is None:
            return []
        owner, self._owner = self._owner, None
        return release(owner, self._memory_before)

    def leave_up(self) -> None:
        self.owner.keep()
        self._owner = None


def release(owner: Ownership, memory_before: set[Path]) -> list[str]:
    owner.release()
    left = cgroups.remove(owner.names) + state.leftovers(owner.names)
    return left + [f"memory file {path}" for path in memory_files.orphans(memory_before)]


def take_down_kept() -> list[str]:
    """`make cluster-down`: this checkout's kept ones, and everybody's dead ones."""
    done = state.take_down_kept()
    cgroups.reap()
    return done


def _has_block(node: dict) -> bool:
    addresses = node["status"].get("addresses") or []
    known = any(address["type"] == "InternalIP" for address in addresses)
    return known and bool(node["spec"].get("podCIDR"))
