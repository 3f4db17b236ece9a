# SPDX-License-Identifier: Apache-2.0
"""The device plugin and an API server that knows resource.k8s.io/v1beta1 only: slices, and a claim
read and prepared. The cluster lends a node's sysfs tree and its kubelet's pod-resources socket; the
kubelet's other part is a call by curl."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from cluster import ROOT, case
from cluster.binaries import provide
from cluster.kubectl import Kubectl
from cluster.oldserver import OldServer
from lab.shell import Child, wait_until

BETA = "resource.k8s.io/v1beta1"
SLICES, CLAIMS = "resourceslices.v1beta1.resource.k8s.io", "resourceclaims.v1beta1.resource.k8s.io"
NODE = "n1"
PREPARE = "/k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin/NodePrepareResources"
DEVICE_CLASS = {
    "apiVersion": BETA,
    "kind": "DeviceClass",
    "metadata": {"name": "sluice-vf"},
    "spec": {"selectors": [{"cel": {"expression": 'device.driver == "sluice.dev"'}}]},
}
CLAIM = {
    "apiVersion": BETA,
    "kind": "ResourceClaim",
    "metadata": {"name": "mine"},
    "spec": {"devices": {"requests": [{"name": "net", "deviceClassName": "sluice-vf"}]}},
}


class ClaimsInBeta(unittest.TestCase):
    def setUp(self) -> None:
        # A process of its own: a lab's names carry the process id.
        command = [sys.executable, str(ROOT / "scripts/kubernetes"), "apiserver"]
        command.append(f"--runtime-config={BETA}=true")
        holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(self._end, holder)
        assert holder.stdout is not None
        ready, _, path = holder.stdout.readline().strip().partition(" ")
        self.assertEqual(ready, "READY")
        server = OldServer(Path(path), *BETA.split("/"))
        self.addCleanup(server.stop)
        self.kubeconfig = Path(path).with_name("old.kubeconfig")
        self.kubeconfig.write_text(json.dumps(_kubeconfig(server.url)))
        self.kubectl = Kubectl(provide().kube("kubectl"), Path(path))
        folder = tempfile.TemporaryDirectory(prefix="sluice-beta-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    @staticmethod
    def _end(holder: subprocess.Popen) -> None:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdin.close()
        holder.wait(30)
        holder.stdout.close()

    def test_slices_and_a_claim(self) -> None:
        self.kubectl.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
        self._start_plugin()
        vfs = self._await_vfs(8)
        self.kubectl.wait("the plain ports", lambda: self._devices(f"{NODE}-ports"))

        device, address = sorted(vfs.items())[2]
        uid = self._allocate(device)
        answer = self._prepare(uid)
        self.assertIn(device.encode(), answer)
        self.assertIn(f"={uid}-{device}".encode(), answer)  # the CDI device
        spec = json.loads(next((self.folder / "cdi").glob("*-claim-*")).read_text())
        variables = spec["devices"][0]["containerEdits"]["env"]
        self.assertIn(f"SLUICE_REQUEST_NET={address}", variables)

        # Slices that somebody took away come back, in whichever version.
        self.kubectl.delete(SLICES, "--all")
        self._start_again()
        self.assertEqual(self._await_vfs(8), vfs)
        self.assertIn(device.encode(), self._prepare(uid))

    # --- the plugin ---------------------------------------------------------------------------

    def _start_plugin(self) -> None:
        cluster = case.ClusterTest.cluster
        node = cluster.nodes[NODE]
        environment = {
            "SLUICE_SYSFS_ROOT": str(node.run_dir / "sluice/sysfs"),
            "SLUICE_NODE_NAME": NODE,
            "SLUICE_KUBECONFIG": str(self.kubeconfig),
            "SLUICE_RESCAN_SECONDS": "1",
        }
        for name in ("kubelet", "run", "state", "cdi", "devinfo"):
            (self.folder / name).mkdir(exist_ok=True)
            environment[f"SLUICE_{name.upper()}_DIR"] = str(self.folder / name)
        lent = self.folder / "kubelet/pod-resources"
        if not lent.is_symlink():
            lent.symlink_to(node.run_dir / "kubelet/pod-resources")
        command = [str(cluster.bin_dir / "sluice-device-plugin")]
        self.log = self.folder / "plugin.log"
        self.plugin = Child("device plugin", command, log=self.log, env=environment)
        self.addCleanup(self.plugin.stop)

    def _start_again(self) -> None:
        self.plugin.stop()
        self._start_plugin()

    def _prepare(self, uid: str) -> bytes:
        """What the kubelet would ask; the answer as it is."""
        claim = _field(1, b"default") + _field(2, uid.encode()) + _field(3, b"mine")
        body = _field(1, claim)
        socket = self.folder / "kubelet/plugins/sluice.dev/dra.sock"
        command = [
            "curl", "--silent", "--show-error", "--max-time", "10", "--http2-prior-knowledge",
            "--unix-socket", str(socket), "--header", "content-type: application/grpc",
            "--header", "te: trailers", "--data-binary", "@-", f"http://localhost{PREPARE}",
        ]  # fmt: skip
        message = b"\0" + len(body).to_bytes(4, "big") + body
        done = subprocess.run(command, input=message, capture_output=True, timeout=15)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    # --- the API ------------------------------------------------------------------------------

    def _devices(self, pool: str) -> list[dict]:
        slices = self.kubectl.items(SLICES)
        return [
            device
            for piece in slices
            if piece["spec"]["pool"]["name"] == pool
            for device in piece["spec"].get("devices", [])
        ]

    def _await_vfs(self, count: int) -> dict[str, str]:
        """Device -> PCI address."""
        wait_until(
            f"{count} VFs in slices of {BETA}",
            lambda: len(self._devices(NODE)) == count,
            30.0,
            why_not=lambda: self.log.read_text()[-2000:],
        )
        return {
            device["name"]: device["basic"]["attributes"]["pciAddress"]["string"]
            for device in self._devices(NODE)
        }

    def _allocate(self, device: str) -> str:
        """A claim with that device, as the scheduler would leave it. Its UID."""
        self.kubectl.apply(DEVICE_CLASS, CLAIM)
        result = {"request": "net", "driver": "sluice.dev", "pool": NODE, "device": device}
        status = {"allocation": {"devices": {"results": [result]}}}
        self.kubectl(
            "patch", CLAIMS, "mine", "--subresource=status", "--type=merge",
            "--patch", json.dumps({"status": status}),
        )  # fmt: skip
        return self.kubectl.get(CLAIMS, "mine")["metadata"]["uid"]


def _kubeconfig(url: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "old", "cluster": {"server": url}}],
        "contexts": [{"name": "old", "context": {"cluster": "old", "user": ""}}],
        "current-context": "old",
    }


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field, shorter than 128 bytes."""
    assert len(data) < 128
    return bytes((number << 3 | 2, len(data))) + data
