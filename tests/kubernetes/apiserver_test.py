# SPDX-License-Identifier: Apache-2.0
"""The API server alone: what the tests of API clients stand on. Needs no cluster."""

import json
import subprocess
import sys
import unittest
from pathlib import Path

from cluster import ROOT
from cluster.binaries import provide
from cluster.kubectl import Kubectl
from lab.names import base_dir

BETA = "resource.k8s.io/v1beta1"


class ApiServerAlone(unittest.TestCase):
    def test_it_serves_what_dra_needs_and_leaves_nothing(self) -> None:
        # A process of its own: a lab's names carry the process id.
        command = [sys.executable, str(ROOT / "scripts/kubernetes"), "apiserver"]
        command.append(f"--runtime-config={BETA}=true")
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdin is not None and holder.stdout is not None
            ready, _, path = holder.stdout.readline().strip().partition(" ")
            self.assertEqual(ready, "READY")
            kubeconfig = Path(path)
            kubectl = Kubectl(provide().kube("kubectl"), kubeconfig)
            group = json.loads(kubectl("get", "--raw", "/apis/resource.k8s.io"))
            versions = {version["groupVersion"] for version in group["versions"]}
            self.assertLessEqual({"resource.k8s.io/v1", BETA}, versions)
            self._write_a_slice(kubectl)
            holder.stdin.close()
            self.assertEqual(holder.wait(30), 0)
        self.assertFalse(kubeconfig.parent.exists())
        self.assertFalse((base_dir() / f"{kubeconfig.parent.name}.lock").exists())

    def _write_a_slice(self, kubectl: Kubectl) -> None:
        kubectl.apply({
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceSlice",
            "metadata": {"name": "mine"},
            "spec": {
                "driver": "sluice.dev",
                "nodeName": "n1",
                "pool": {"name": "n1", "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": "vf-0", "attributes": {"index": {"int": 0}}}],
            },
        })  # fmt: skip
        devices = kubectl.get("resourceslice", "mine")["spec"]["devices"]
        self.assertEqual([device["name"] for device in devices], ["vf-0"])
