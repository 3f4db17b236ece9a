#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demo: two nodes, a wire, real packets, and what carried them.

    make demo                 everything, and away with it
    make demo KEEP=1          leaves it up, with a list of things to look at
    make demo-down            takes down what was left up
"""

from __future__ import annotations

import argparse
import atexit
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from lab import state, steps_limits, steps_pods, steps_services  # noqa: E402
from lab.cast import Cast  # noqa: E402
from lab.cluster import OUTSIDE, Cluster  # noqa: E402
from lab.manifest import Manifest, read_manifest  # noqa: E402
from lab.names import project_root  # noqa: E402
from lab.node import VFS, VNI  # noqa: E402
from lab.programs import (  # noqa: E402
    PrivilegeError,
    find_programs,
    require_privileges,
    require_tools,
)
from lab.report import Report  # noqa: E402
from lab.shell import LabError  # noqa: E402

EXIT_FAILED, EXIT_CANNOT = 1, 2


def parse_arguments() -> argparse.Namespace:
    root = project_root()
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--manifest", type=Path, default=root / "deploy/samples/demo.yaml")
    parser.add_argument("--bin", help="folder of the built programs (default: build/dev/bin)")
    parser.add_argument("--keep", action="store_true", default=_flag("KEEP"), help="leave it up")
    parser.add_argument("--down", action="store_true", help="take down what --keep left up")
    parser.add_argument(
        "--hold", action="store_true", help="bring up, print READY, end at the end of stdin"
    )
    parser.add_argument("--log-level", default="info")
    return parser.parse_args()


def _flag(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0", "no")


def picture(manifest: Manifest, outside: str) -> str:
    """The nodes with their pods ([vf] or (veth)), joined by the wire."""
    lines = []
    for node in manifest.nodes:
        vf = [p.name for p in manifest.pods if p.node == node.name and p.vfs]
        veth = [p.name for p in manifest.pods if p.node == node.name and not p.vfs]
        lines += [
            f"   {node.name}  {node.address}  pods {node.pod_cidr}",
            f"     [{'] ['.join(vf)}]  on {len(vf)} of {VFS} VFs" if vf else "     no pod on a VF",
            f"     ({') ('.join(veth)})  on the host port" if veth else "     no pod on a veth",
            f"     └─ eswitch (simulated NIC) ── eth0 ──┐ VXLAN {VNI}",
            "                                          │",
        ]
    lines.append(f"   outside  {outside} ─────────────── wire")
    return "\n".join(lines)


def show_how_to_look(cluster: Cluster) -> None:
    ctl = cluster.programs.path("sluicectl")
    node = next(iter(cluster.nodes.values()))
    pod = next(iter(cluster.pods.values()))
    service = next((s for s in cluster.manifest.services if s.cluster_ip), None)
    url = f"http://{service.cluster_ip}:{service.ports[0].port}/" if service else ""
    print("\nIt is left up. To look around (as root):")
    for words in ("status", "flows", "flows --connections", "ports"):
        print(f"  {ctl} --socket {node.socket} {words}")
    enter = "nsenter --net="
    wire = cluster.names.netns_path("wire")
    print(f"  {enter}{wire} tcpdump -ni {node.name}   # what {node.name} puts on the wire")
    print(f"  {enter}{pod.netns} tcpdump -ni eth0   # what {pod.key} sees")
    print(f"  {enter}{pod.netns} curl -s {url}")
    print(f"  {enter}{cluster.names.netns_path(OUTSIDE)} sh   # the host outside the cluster")
    for words in ("ip -d address", "bridge -d link", "nft list ruleset"):
        print(f"  {enter}{node.netns} {words}   # the node's own side")
    print(f"  $EDITOR {cluster.watched}   # the engines follow it")
    print(f"  logs: {cluster.names.run_dir / 'logs'}")
    print("To take it down: make demo-down")


def run_steps(cluster: Cluster, report: Report) -> None:
    for pod, words in cluster.pending.items():
        print(f"  … {pod} stays pending: {words}")
    cast = Cast(cluster)
    last = ""
    for module in (steps_pods, steps_services, steps_limits):
        for step in module.steps(cluster, cast):
            if step.problem != last:
                print(f"\n{step.problem}")
                last = step.problem
            if not report.run(step):
                return
    report.print_table()
    try:
        print(f"\nfor information, one TCP stream: {steps_services.throughput(cluster, cast)}")
    except LabError as error:
        report.trouble(f"throughput: {error}")


def demonstrate(cluster: Cluster, keep: bool) -> int:
    print(picture(cluster.manifest, cluster.outside_address) + "\n")
    report = Report(cluster)
    cluster.up()
    run_steps(cluster, report)
    if keep:
        code = report.finish()
        show_how_to_look(cluster)
        cluster.leave_up()
        return code
    failed = any(not outcome.passed for outcome in report.outcomes) or report.troubles
    if failed:
        print(f"\nlogs: {cluster.save_logs()}")
    for trouble in cluster.wind_down():
        report.trouble(f"cleaning up: {trouble}")
    for trouble in cluster.down():
        report.trouble(f"left behind: {trouble}")
    return report.finish()


def hold(cluster: Cluster) -> int:
    """For tests, and for whoever wants the lab without the steps."""
    cluster.up()
    print(f"READY {cluster.names.instance}", flush=True)
    sys.stdin.read()
    troubles = cluster.wind_down() + cluster.down()
    for trouble in troubles:
        print(f"  ✘ {trouble}")
    return EXIT_FAILED if troubles else 0


def end_on_signals() -> None:
    """A signal unwinds the stack like an exception, so that `finally` cleans up; once."""

    def unwind(number: int, _frame: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        print(f"\ndemo: {signal.Signals(number).name}: taking everything down", file=sys.stderr)
        raise SystemExit(128 + number)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, unwind)


def main() -> int:
    arguments = parse_arguments()
    try:
        require_privileges()
        if arguments.down:
            print("\n".join(state.take_down_kept()) or "nothing was left up")
            return 0
        require_tools()
        manifest = read_manifest(arguments.manifest)
        programs = find_programs(arguments.bin)
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return EXIT_CANNOT if isinstance(error, PrivilegeError) else EXIT_FAILED
    end_on_signals()
    cluster = Cluster(
        manifest,
        programs,
        keep=arguments.keep,
        log_level=arguments.log_level,
        say=lambda text: print(f"  … {text}", flush=True),
    )
    atexit.register(cluster.down)  # also when an unforeseen error ends us
    try:
        return hold(cluster) if arguments.hold else demonstrate(cluster, arguments.keep)
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        if logs := cluster.save_logs():
            print(f"logs: {logs}", file=sys.stderr)
        return EXIT_FAILED
    finally:
        cluster.down()


if __name__ == "__main__":
    sys.exit(main())
