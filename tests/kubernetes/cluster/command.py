# SPDX-License-Identifier: Apache-2.0
"""What scripts/kubernetes does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import unittest
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

from cluster import TESTS, cgroups, sluice
from cluster.apiserver import ApiServerFixture
from cluster.binaries import Binaries, provide
from cluster.case import ClusterTest
from cluster.cluster import BUSYBOX, NODES, Cluster, Say, take_down_kept
from lab import state
from lab.names import base_dir, checkout_hash
from lab.programs import require_privileges
from lab.shell import LabError

TOOLS = (
    "ip", "bridge", "nft", "unshare", "nsenter", "setpriv", "mount", "pivot_root", "runc",
    "openssl", "base64", "curl",
)  # fmt: skip
PROGRAMS = ("sluice-offloadd", "sluice-device-plugin", "sluice-cni", "sluicectl")
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(KeyboardInterrupt):
    """A signal: unwinds the stack, so that `finally` cleans up. Not SystemExit: unittest takes
    that for a failed test, and goes on with the next."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def end_on_signals() -> None:
    def unwind(number: int, _frame: object) -> None:
        raise Ended(number)

    for each in END_SIGNALS:
        signal.signal(each, unwind)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Impatience doesn't end a removal halfway."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in END_SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _take_down(cluster: Cluster) -> list[str]:
    with _undisturbed():
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
    if running := kept():
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


def kept() -> list[str]:
    """Instances of this checkout that were left up."""
    found = []
    for path in sorted(base_dir().glob(f"{checkout_hash()}*.json")):
        if json.loads(path.read_text()).get("kept"):
            found.append(path.stem)
    return found


def attach(binaries: Binaries, bin_dir: Path) -> Cluster:
    running = kept()
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
    found = unittest.defaultTestLoader.discover(str(folder), "*_test.py")
    suite = _select(found, words)
    if suite.countTestCases() == 0:
        raise LabError(f"no test has {' or '.join(words)} in its name")
    cluster = attach(binaries, bin_dir) if running else Cluster(binaries, bin_dir, say=say)
    try:
        if not running:
            cluster.up()
            prepare(cluster)
            say("ready")
        ClusterTest.cluster = cluster
        result = _run(suite)
        good = result.wasSuccessful() and result.testsRun > 0
        if not good:
            _keep_logs(cluster)
    except LabError:
        _keep_logs(cluster)
        raise
    finally:
        left = _take_down(cluster)
    say("taken down" if not running else "the cluster is still up")
    return 0 if good and not left else 1


class _TimedResult(unittest.TextTestResult):
    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        self.started = time.monotonic()
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.started:.1f} s")
        self.stream.flush()


def _run(suite: unittest.TestSuite) -> unittest.TestResult:
    runner = unittest.TextTestRunner(verbosity=2, stream=sys.stdout, resultclass=_TimedResult)
    return runner.run(suite)


def _select(tests: unittest.TestSuite, words: list[str]) -> unittest.TestSuite:
    chosen = unittest.TestSuite()
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            chosen.addTests(_select(test, words))
        elif type(test).__name__ == "_FailedTest" or not words:
            chosen.addTest(test)
        elif any(word in test.id() for word in words):
            chosen.addTest(test)
    return chosen
