# SPDX-License-Identifier: Apache-2.0
"""What scripts/kubernetes does."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Callable

from cluster import TESTS, cgroups, sluice
from cluster.apiserver import ApiServerFixture
from cluster.binaries import Binaries, provide
from cluster.case import ClusterTest
from cluster.cluster import BUSYBOX, NODES, Cluster, Say, take_down_kept
from lab import state
from lab.ending import undisturbed
from lab.programs import require_privileges
from lab.shell import LabError
from lab.suite import find_tests, run_tests

TOOLS = (
    "ip", "bridge", "nft", "unshare", "nsenter", "setpriv", "mount", "pivot_root", "runc",
    "openssl", "base64", "curl",
)  # fmt: skip
PROGRAMS = ("sluice-offloadd", "sluice-device-plugin", "sluice-cni", "sluicectl")


def _take_down(cluster: Cluster) -> list[str]:
    with undisturbed():
        left = cluster.down()
    for what in left:
        print(f"left behind: {what}")
    return left


def _keep_logs(cluster: Cluster) -> None:
    if logs := cluster.save_logs():
        print(f"logs: {logs}", file=sys.stderr)


def require_machine() -> None:
    """What a cluster needs, looked for before anything is made."""
    require_privileges()
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    missing += [str(BUSYBOX)] if not BUSYBOX.exists() else []
    if missing:
        raise LabError(f"{', '.join(missing)} not found: run scripts/deps")


def require_programs(bin_dir: Path) -> None:
    missing = [name for name in PROGRAMS if not os.access(bin_dir / name, os.X_OK)]
    if missing:
        raise LabError(f"{', '.join(missing)} not found in {bin_dir}: build first (make build)")


def up(binaries: Binaries, bin_dir: Path, say: Say) -> int:
    if running := state.kept():
        print(f"There is a cluster already ({running[0]}); take it down first: make cluster-down")
        return 1
    cluster = Cluster(binaries, bin_dir, keep=True, say=say)
    try:
        cluster.up()
    except BaseException:
        try:
            _keep_logs(cluster)
        finally:
            _take_down(cluster)
        raise
    say("ready")
    _show(cluster)
    cluster.leave_up()
    return 0


def _show(cluster: Cluster) -> None:
    kubectl = cluster.binaries.kube("kubectl")
    node = cluster.nodes["n1"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "mine"},
        "spec": {
            "containers": [{
                "name": "c",
                "image": "local/agnhost:1",
                "args": ["netexec"],
                "resources": {"limits": {sluice.RESOURCE: 1}},
            }],
        },
    }  # fmt: skip
    print(f"""
Two nodes: {', '.join(f'{name} ({address})' for name, address in NODES.items())}. To try (as root):
  export KUBECONFIG={cluster.kubeconfig}
  {kubectl} get nodes -o wide
A pod with a VF of its own (image local/agnhost:1, the only one there is):
  echo '{json.dumps(pod)}' | {kubectl} apply -f -
  {kubectl} exec mine -- ip address
The engine, and everything else of a node:
  {cluster.bin_dir}/sluicectl --socket {node.engine_socket} ports
  {cluster.bin_dir}/sluicectl devices --socket {node.run_dir}/sluice/device-plugin.sock
  scripts/kubernetes enter n1          # a shell in the node: its links, /run, /var/lib/kubelet
  ls {node.logs}
To take it down: make cluster-down""")


def attach(binaries: Binaries, bin_dir: Path) -> Cluster:
    running = state.kept()
    if not running:
        raise LabError("no cluster is up (make cluster)")
    return Cluster.attach(running[0], binaries, bin_dir)


def down() -> int:
    print("\n".join(take_down_kept()) or "nothing was left up")
    return 0


def enter(node: str, words: list[str]) -> int:
    cluster = attach(provide(), Path("/nonexistent"))
    if node not in cluster.nodes:
        raise LabError(f"no node {node!r}; there are: {', '.join(cluster.nodes)}")
    full = cluster.nodes[node].enter(*(words or [os.environ.get("SHELL", "/bin/sh")]))
    os.execvp(full[0], full)


def reap() -> int:
    """Whoever claims a lab removes those whose holder is dead."""
    state.claim().release()
    cgroups.reap()
    return 0


def hold(binaries: Binaries, bin_dir: Path, say: Say) -> int:
    cluster = Cluster(binaries, bin_dir, say=say)
    try:
        cluster.up()
        print(f"READY {cluster.names.instance}", flush=True)
        sys.stdin.read()
    finally:
        left = _take_down(cluster)
    return 1 if left else 0


def hold_apiserver(binaries: Binaries, runtime_config: list[str]) -> int:
    """For tests in any language: READY and the kubeconfig on stdout; ends at the end of stdin."""
    with ApiServerFixture(binaries, runtime_config=runtime_config) as server:
        print(f"READY {server.kubeconfig}", flush=True)
        sys.stdin.read()
    return 0


def test(
    binaries: Binaries,
    bin_dir: Path,
    say: Say,
    words: list[str],
    running: bool,
    folder: Path = TESTS / "kubernetes",
    prepare: Callable[[Cluster], None] = lambda cluster: None,
) -> int:
    """`prepare`: what the folder's tests need of a fresh cluster beyond what every one has."""
    suite = find_tests(folder, words)
    cluster = attach(binaries, bin_dir) if running else Cluster(binaries, bin_dir, say=say)
    try:
        if not running:
            cluster.up()
            prepare(cluster)
            say("ready")
        ClusterTest.cluster = cluster
        good = run_tests(suite)
        if not good:
            _keep_logs(cluster)
    except LabError:
        _keep_logs(cluster)
        raise
    finally:
        left = _take_down(cluster)
    say("taken down" if not running else "the cluster is still up")
    return 0 if good and not left else 1
