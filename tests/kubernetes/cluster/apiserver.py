# SPDX-License-Identifier: Apache-2.0
"""etcd and kube-apiserver in a namespace: all that a test of an API client needs, ready in seconds.

    with ApiServerFixture(binaries) as server:
        server.kubeconfig, server.url, server.kubectl
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from cluster import cgroups
from cluster.binaries import Binaries
from cluster.kubectl import Kubectl
from cluster.pki import Pki
from lab import state
from lab.shell import Child, run, wait_until
from lab.state import Ownership
from lab.wire import add_namespace

ROLE = "cp"
ADDRESS = "10.99.0.1"
PORT = 6443
SERVICE_NETWORK = "10.96.0.0/16"
FIRST_SERVICE_ADDRESS = "10.96.0.1"
ADMIN, ADMIN_GROUP = "admin", "system:masters"
START_SECONDS = 60.0


class ApiServer:
    """Contract: the owner's lab has a namespace `cp` with ADDRESS in it when `start` is called.
    `url` and `kubeconfig` are for the machine, `inner_url` for the cluster's namespaces. Whoever
    releases the lab ends the programs and removes the files."""

    def __init__(
        self,
        owner: Ownership,
        binaries: Binaries,
        *,
        linger: bool = False,
        runtime_config: Sequence[str] = (),
        feature_gates: Sequence[str] = (),
    ) -> None:
        self.owner = owner
        self.binaries = binaries
        self.folder = owner.names.run_dir
        self.logs = self.folder / "logs"
        self.netns = owner.names.netns_path(ROLE)
        self.pki = Pki(self.folder / "pki")
        self.kubeconfig = self.folder / "kubeconfig"
        self.inner_url = f"https://{ADDRESS}:{PORT}"
        self.url = ""
        self._linger = linger
        self._runtime_config = tuple(runtime_config)
        self._feature_gates = tuple(feature_gates)
        self.children: list[Child] = []

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.binaries.kube("kubectl"), self.kubeconfig)

    def start(self) -> None:
        """From a thread that stays: the programs die with the one that started them."""
        self._start_etcd()
        self._start_apiserver()
        self._start_relay()

    def await_ready(self) -> None:
        wait_until("the API server to be ready", self._ready, START_SECONDS, why_not=self._why_not)

    def stop(self) -> None:
        for child in reversed(self.children):
            child.stop(timeout=5.0)

    def run_program(self, name: str, command: Sequence[object], netns: Path | None) -> Child:
        child = Child(
            name,
            [str(word) for word in command],
            log=self.logs / f"{name}.log",
            netns=netns,
            linger=self._linger,
        )
        self.children.append(self.owner.adopt(child))
        return child

    def _start_etcd(self) -> None:
        url, peers = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
        command = [
            self.binaries.etcd / "server", "--data-dir", self.folder / "etcd",
            "--listen-client-urls", url, "--advertise-client-urls", url,
            "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
            "--initial-cluster", f"default={peers}", "--unsafe-no-fsync", "--log-level", "warn",
        ]  # fmt: skip
        self.run_program("etcd", command, self.netns)

    def _start_apiserver(self) -> None:
        names = (
            f"IP:{ADDRESS},IP:127.0.0.1,IP:{FIRST_SERVICE_ADDRESS},DNS:localhost,DNS:kubernetes,"
            "DNS:kubernetes.default,DNS:kubernetes.default.svc"
        )
        serving = self.pki.issue("apiserver", "kube-apiserver", alt_names=names)
        admin = self.pki.issue(ADMIN, ADMIN, ADMIN_GROUP)
        command = [
            self.binaries.kube("kube-apiserver"),
            "--etcd-servers", "http://127.0.0.1:2379",
            "--service-cluster-ip-range", SERVICE_NETWORK,
            "--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction",
            "--allow-privileged",
            "--secure-port", PORT, "--advertise-address", ADDRESS,
            "--cert-dir", self.folder / "pki", "--client-ca-file", self.pki.ca.certificate,
            "--tls-cert-file", serving.certificate, "--tls-private-key-file", serving.key,
            "--service-account-issuer", "https://kubernetes.default.svc",
            "--service-account-key-file", self.pki.accounts_public,
            "--service-account-signing-key-file", self.pki.accounts_key,
            "--kubelet-client-certificate", admin.certificate, "--kubelet-client-key", admin.key,
            "--kubelet-certificate-authority", self.pki.ca.certificate,
            "--kubelet-preferred-address-types", "InternalIP",
        ]  # fmt: skip
        if self._runtime_config:
            command += ["--runtime-config", ",".join(self._runtime_config)]
        if self._feature_gates:
            command += ["--feature-gates", ",".join(self._feature_gates)]
        self.run_program("kube-apiserver", command, self.netns)

    def _start_relay(self) -> None:
        port_file = self.folder / "apiserver.port"
        script = Path(__file__).with_name("relay.py")
        command = ["/usr/bin/python3", script, self.netns, ADDRESS, PORT, port_file]
        relay = self.run_program("relay", command, None)

        def listens() -> bool:
            relay.require_alive()
            return port_file.exists()

        wait_until("the relay to listen", listens, 15.0)
        self.url = f"https://127.0.0.1:{port_file.read_text()}"
        admin = self.pki.folder / ADMIN
        self.pki.kubeconfig(self.kubeconfig, self.url, self.pki.pair(admin.name))

    def _ready(self) -> bool:
        for child in self.children:
            child.require_alive()
        return self.kubectl.process("get", "--raw", "/readyz", timeout=5.0).returncode == 0

    def _why_not(self) -> str:
        done = self.kubectl.process("get", "--raw", "/readyz?verbose", timeout=5.0)
        return f"{(done.stdout + done.stderr).strip()[-800:]}; logs: {self.logs}"


class ApiServerFixture:
    """An API server of one's own, without nodes: `start` (or `with`), then `stop`."""

    def __init__(self, binaries: Binaries, **options: Sequence[str]) -> None:
        self._binaries = binaries
        self._options = options
        self._owner: Ownership | None = None
        self.server: ApiServer | None = None

    def start(self) -> ApiServer:
        self._owner = state.claim()
        try:
            cgroups.reap()
            netns = add_namespace(self._owner.names, ROLE)
            run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"], netns=netns)
            self.server = ApiServer(self._owner, self._binaries, **self._options)
            self.server.start()
            self.server.await_ready()
        except BaseException:
            self.stop()
            raise
        return self.server

    def stop(self) -> None:
        if self._owner is not None:
            if self.server is not None:
                self.server.stop()
            self._owner.release()
            self._owner = None

    def __enter__(self) -> ApiServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
