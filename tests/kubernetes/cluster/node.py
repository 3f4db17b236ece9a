# SPDX-License-Identifier: Apache-2.0
"""A node: containerd, kubelet and Sluice's programs in namespaces of their own.

Everything about a node can be told from its name and its run directory, so a test can also attach
to a cluster that another process brought up.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
from pathlib import Path

from cluster import cgroups, image, sluice
from cluster.binaries import Binaries
from cluster.pki import Pki
from lab.names import Names
from lab.shell import Child, LabError, run, tail, wait_until
from lab.state import Ownership

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
# The usual paths of a node, each a folder of this node's run directory.
FOLDERS = {
    "/var/lib/kubelet": "kubelet",
    "/var/lib/cni": "cni",
    "/var/lib/sluice": "sluice-state",
    "/var/log": "var-log",
    "/run/sluice": "sluice",
    "/run/cdi": "cdi",
    "/run/k8s.cni.cncf.io": "devinfo",
    "/run/containerd": "run-containerd",
}
# On a tmpfs: an overlay's upper folder must not lie on an overlay, which a machine's root can be.
VOLUMES = {"/var/lib/containerd": "2g", "/run/netns": "1m"}
START_SECONDS = 30.0


class Node:
    def __init__(
        self, names: Names, name: str, address: str, binaries: Binaries, bin_dir: Path
    ) -> None:
        self.names = names
        self.name = name
        self.address = address
        self.binaries = binaries
        self.bin_dir = bin_dir
        self.netns = names.netns_path(name)
        self.run_dir = names.run_dir / name
        self.logs = names.run_dir / "logs"
        self.control = self.run_dir / "init.sock"
        self.manifest = names.run_dir / "manifest" / "cluster.yaml"
        self.cni_conf = self.run_dir / "cni-conf"
        self.kubeconfig = self.run_dir / "kubeconfig"
        self.plugin_kubeconfig = names.run_dir / "device-plugin.kubeconfig"

    # --- up ---------------------------------------------------------------------------------

    def start(self, owner: Ownership, pki: Pki, api_url: str, linger: bool) -> None:
        """The node's first process, without a program yet. Its namespace and uplink are there."""
        for folder in (*FOLDERS.values(), "root", "cni-conf"):
            (self.run_dir / folder).mkdir(parents=True)
        run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], netns=self.netns)
        names = f"DNS:{self.name},IP:{self.address}"
        pair = pki.issue(self.name, f"system:node:{self.name}", "system:nodes", names)
        pki.kubeconfig(self.kubeconfig, api_url, pair)
        cgroup = cgroups.make(self.names, self.name)
        self._write("containerd.toml", self._containerd_configuration())
        self._write("kubelet.yaml", json.dumps(self._kubelet_configuration(pki, cgroup), indent=1))
        plan = {
            "mount_point": str(self.run_dir / "root"),
            "binds": {
                **{path: str(self.run_dir / name) for path, name in FOLDERS.items()},
                str(self.names.run_dir): str(self.names.run_dir),
            },
            "tmpfs": VOLUMES,
        }
        script = Path(__file__).with_name("nodeinit.py")
        command = [
            "unshare", "--mount", "--propagation", "private", "--pid", "--fork",
            "--kill-child=KILL", "/usr/bin/python3", script,
            self._write("root.json", json.dumps(plan, indent=1)), self.control,
        ]  # fmt: skip
        self.init = owner.adopt(
            Child(
                f"node {self.name}",
                [str(word) for word in command],
                log=self.logs / f"{self.name}-init.log",
                netns=self.netns,
                linger=linger,
            )
        )

    def await_root(self) -> None:
        def there() -> bool:
            self.init.require_alive()
            return self.control.exists()

        wait_until(f"the root of node {self.name}", there, START_SECONDS)

    def start_runtime(self, archive: Path) -> None:
        self.start_program("containerd")
        self.await_containerd()
        self.ctr("images", "import", str(archive), timeout=120.0)

    def await_containerd(self) -> None:
        wait_until(
            f"containerd of {self.name} to answer",
            lambda: self.require_running("containerd") and self._ctr("version").returncode == 0,
            START_SECONDS,
            0.1,
        )

    def await_engine(self) -> None:
        def ready() -> bool:
            self.require_running("sluice-offloadd")
            return self.engine_socket.exists() and self._ctl("status").returncode == 0

        wait_until(f"sluice-offloadd of {self.name} to answer", ready, START_SECONDS)

    def write_cni_configuration(self) -> None:
        """With it the node becomes Ready; so the engine has to be there before."""
        fresh = self.cni_conf / ".10-sluice.conflist"
        fresh.write_text(sluice.cni_configuration())
        fresh.rename(self.cni_conf / "10-sluice.conflist")

    # --- programs ---------------------------------------------------------------------------

    def programs(self) -> dict[str, sluice.Program]:
        containerd = [
            str(self.binaries.containerd / "containerd"),
            "--config", str(self.run_dir / "containerd.toml"),
        ]  # fmt: skip
        kubelet = [
            str(self.binaries.kube("kubelet")),
            "--config", str(self.run_dir / "kubelet.yaml"),
            "--kubeconfig", str(self.kubeconfig),
            "--hostname-override", self.name, "--node-ip", self.address,
        ]  # fmt: skip
        return {
            "containerd": sluice.Program(containerd),
            "kubelet": sluice.Program(kubelet),
            **sluice.programs(self.bin_dir, self.name, self.manifest, self.plugin_kubeconfig),
        }

    def start_program(self, name: str) -> None:
        program = self.programs()[name]
        # containerd finds its shim, and the shim runc, by the PATH.
        path = f"{self.binaries.containerd}:/usr/sbin:/usr/bin:/sbin:/bin"
        self._ask(
            op="start", name=name, command=program.command, env={"PATH": path, **program.env},
            log=str(self.log(name)),
        )  # fmt: skip

    def kill_program(self, name: str, number: int = signal.SIGKILL) -> None:
        """Returns when it is gone."""
        self._ask(op="signal", name=name, number=int(number))
        wait_until(
            f"{name} of {self.name} to end after signal {int(number)}",
            lambda: name not in self._ask(op="list")["running"],
            20.0,
        )

    def restart_program(self, name: str, number: int = signal.SIGKILL) -> None:
        self.kill_program(name, number)
        self.start_program(name)

    def running(self) -> dict[str, int]:
        """Name -> process id inside the node."""
        return self._ask(op="list")["running"]

    def require_running(self, name: str) -> bool:
        told = self._ask(op="list")
        if name not in told["running"]:
            raise LabError(
                f"{name} of {self.name} ended with {told['ended'].get(name)}; the end of "
                f"{self.log(name)}:\n{tail(self.log(name))}"
            )
        return True

    def require_all_running(self) -> None:
        for name in self.programs():
            self.require_running(name)

    def log(self, name: str) -> Path:
        return self.logs / f"{self.name}-{name}.log"

    # --- questions --------------------------------------------------------------------------

    @property
    def engine_socket(self) -> Path:
        return self.run_dir / FOLDERS["/run/sluice"] / Path(sluice.ENGINE_SOCKET).name

    def ctl(self, *words: str) -> dict:
        done = self._ctl(*words, "--json")
        if done.returncode != 0:
            raise LabError(f"sluicectl {' '.join(words)} on {self.name}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def _ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [self.bin_dir / "sluicectl", "--socket", self.engine_socket, *words]
        return run([str(word) for word in command], timeout=10.0, check=False)

    def enter(self, *command: str) -> list[str]:
        """The command line that runs a command in all of the node's namespaces."""
        return ["nsenter", "--target", str(self.init_pid()), "--all", "--", *command]

    def run(
        self, *command: str, timeout: float = 30.0, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return run(self.enter(*command), timeout=timeout, check=check)

    def ctr(self, *words: str, timeout: float = 30.0) -> str:
        done = self._ctr(*words, timeout=timeout)
        if done.returncode != 0:
            raise LabError(f"ctr {' '.join(words)} on {self.name}: {done.stderr.strip()}")
        return done.stdout

    def _ctr(self, *words: str, timeout: float = 10.0) -> subprocess.CompletedProcess[str]:
        program = str(self.binaries.containerd / "ctr")
        command = (program, "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", *words)
        return self.run(*command, timeout=timeout, check=False)

    def init_pid(self) -> int:
        """The node's process 1, as the machine numbers it: the kernel says who listens."""
        with self._connect() as connection:
            peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return struct.unpack("3i", peer)[0]

    def tasks(self) -> list[str]:
        """Ids of the containers that run, sandboxes included."""
        return [line.split()[0] for line in self.ctr("tasks", "list").splitlines()[1:]]

    # --- inside -----------------------------------------------------------------------------

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(10)
        try:
            connection.connect(str(self.control))
        except OSError as error:
            connection.close()
            raise LabError(f"node {self.name} is not up: {self.control}: {error}") from error
        return connection

    def _ask(self, **request: object) -> dict:
        with self._connect() as connection:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as reader:
                reply = json.loads(reader.readline() or b'{"error": "no answer"}')
        if "error" in reply:
            raise LabError(f"node {self.name}: {request['op']}: {reply['error']}")
        return reply

    def _write(self, name: str, text: str) -> Path:
        target = self.run_dir / name
        target.write_text(text)
        return target

    def _containerd_configuration(self) -> str:
        return f"""version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{image.PAUSE}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  cdi_spec_dirs = ["/run/cdi"]
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{self.bin_dir}"]
    conf_dir = "{self.cni_conf}"
    use_internal_loopback = true
[plugins."io.containerd.nri.v1.nri"]
  socket_path = "/run/containerd/nri.sock"
  plugin_path = "{self.run_dir}/nri-plugins"
  plugin_config_path = "{self.run_dir}/nri-conf"
"""

    def _kubelet_configuration(self, pki: Pki, cgroup: str) -> dict:
        free = {
            what: "0%"
            for what in (
                "imagefs.available", "imagefs.inodesFree", "memory.available", "nodefs.available",
                "nodefs.inodesFree", "pid.available",
            )
        }  # fmt: skip
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(pki.ca.certificate)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "tlsCertFile": str(pki.pair(self.name).certificate),
            "tlsPrivateKeyFile": str(pki.pair(self.name).key),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroup,
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "failCgroupV1": False,
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "resolvConf": "",
            "syncFrequency": "5s",
            "nodeStatusUpdateFrequency": "2s",
            "maxPods": 100,
            "evictionHard": free,
            "imageGCHighThresholdPercent": 100,
            "localStorageCapacityIsolation": False,
            "makeIPTablesUtilChains": False,
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        }
