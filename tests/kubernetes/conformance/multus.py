# SPDX-License-Identifier: Apache-2.0
"""multus as the nodes' CNI configuration, the way its thin plugin is installed: Sluice's own
configuration stays where it is and becomes the cluster network, a file before it names multus.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Iterator

from cluster import ROOT, binaries, sluice
from cluster.cluster import Cluster, Say
from cluster.command import PROGRAMS
from lab.shell import LabError, run

VERSION = "1.1.0"
GROUP = "k8s.cni.cncf.io"
KIND = "NetworkAttachmentDefinition"
PLURAL = "network-attachment-definitions"
ACCOUNT = "multus"
NAMESPACE = "kube-system"
BUILD_SECONDS = 1200.0
REFERENCE_PLUGINS = ("host-local", "static", "bridge", "tuning", "portmap")


# --- programs -------------------------------------------------------------------------------


@contextmanager
def plugin_folder(bin_dir: Path, say: Say) -> Iterator[Path]:
    """A node's CNI_PATH, which also has our daemons: multus, the reference plugins, and sluice-cni
    under the name `sriov` as well, for networks that were written for sriov-cni."""
    programs = {name: bin_dir.resolve() / name for name in PROGRAMS}
    programs["sriov"] = programs["sluice-cni"]
    say("multus, which is built the first time")
    programs["multus"] = _find_multus()
    reference = binaries.provide_cni(say)
    programs.update((name, reference / name) for name in REFERENCE_PLUGINS)
    (ROOT / "build").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="conformance-", dir=ROOT / "build") as folder:
        for name, program in programs.items():
            (Path(folder) / name).symlink_to(program)
        yield Path(folder)


def _find_multus() -> Path:
    command = [str(ROOT / "scripts/peers"), "multus-cni"]
    done = run(command, timeout=BUILD_SECONDS, check=False)
    if done.returncode != 0:
        raise LabError(
            "multus is needed, built from the archive multus-cni.tar.xz of its sources in the "
            f"folder that SLUICE_PEERS names: {done.stderr.strip()[-2000:]}"
        )
    return Path(done.stdout.strip())


# --- in the cluster -------------------------------------------------------------------------


def install(cluster: Cluster) -> None:
    """Returns when each node's containerd asks multus, and multus asks Sluice."""
    kubectl = cluster.kubectl.within(NAMESPACE)
    kubectl.apply(_definition(), *_permissions())
    kubectl.wait(f"the resource {PLURAL}", lambda: _established(kubectl.get("crd", _crd_name())))
    token = kubectl("create", "token", ACCOUNT, "--duration=24h").strip()
    kubeconfig = _write_kubeconfig(cluster, token)
    for node in cluster.nodes.values():
        _replace(node.cni_conf / "10-sluice.conflist", _cluster_network())
        configuration = _configuration(
            kubeconfig, node.cni_conf / "10-sluice.conflist", cluster.bin_dir, node.log("multus")
        )
        _replace(node.cni_conf / "00-multus.conflist", configuration)
    for node in cluster.nodes.values():
        kubectl.wait(
            f"containerd of {node.name} to ask multus for its status",
            lambda log=node.log("multus"): log.exists() and "CmdStatus" in log.read_text(),
            why_not=cluster.node_conditions,
        )


def _cluster_network() -> dict:
    """Sluice's as it is, but that it leaves a pod's VFs to multus."""
    document = json.loads(sluice.cni_configuration())
    document["plugins"][0]["devicePlugin"] = "never"
    return document


def _configuration(kubeconfig: Path, network: Path, plugins: Path, log: Path) -> dict:
    plugin = {
        "type": "multus",
        "capabilities": {"portMappings": True},
        "kubeconfig": str(kubeconfig),
        "clusterNetwork": str(network),
        "binDir": str(plugins),
        "logFile": str(log),
        "logLevel": "debug",
    }
    return {"cniVersion": VERSION, "name": "multus-cni-network", "plugins": [plugin]}


def _write_kubeconfig(cluster: Cluster, token: str) -> Path:
    """The device plugin's, with another token."""
    document = json.loads((cluster.names.run_dir / "device-plugin.kubeconfig").read_text())
    document["users"][0]["user"] = {"token": token}
    target = cluster.names.run_dir / "multus.kubeconfig"
    target.touch(mode=0o600)
    target.write_text(json.dumps(document))
    return target


def _replace(target: Path, document: dict) -> None:
    fresh = target.with_name(f".{target.name}")
    fresh.write_text(json.dumps(document, indent=1))
    fresh.rename(target)


def _established(definition: dict) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _crd_name() -> str:
    return f"{PLURAL}.{GROUP}"


def _definition() -> dict:
    """Source: the Network Plumbing Working Group's de-facto standard, version 1."""
    config = {"type": "object", "properties": {"config": {"type": "string"}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": _crd_name()},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": PLURAL,
                "singular": "network-attachment-definition",
                "kind": KIND,
                "shortNames": ["net-attach-def"],
            },
            "versions": [{
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": config}}},
            }],
        },
    }  # fmt: skip


def _permissions() -> list[dict]:
    """What it does: networks and pods are read, a pod's status and events are written."""
    rules = [
        {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["get", "update", "patch"]},
        {
            "apiGroups": ["", "events.k8s.io"],
            "resources": ["events"],
            "verbs": ["create", "patch", "update"],
        },
    ]
    account = {"name": ACCOUNT, "namespace": NAMESPACE}
    rbac = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": ACCOUNT},
            "rules": rules,
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", **account}],
        },
    ]
