#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""pmd.rules: how fast DPDK's own dpdk-test-flow-perf, unmodified, puts rules into net_esw.

In millions: pmd.rules is rules a second of CPU time of the tool's process (a run's CPU time less that
of a run with few rules), pmd.rules.wall and pmd.rules.delete are the rates that the tool prints for
insertion and deletion.
"""
import os
import re
import resource
import shutil
import stat
import statistics
import subprocess
import sys
import tempfile

RUNS = 5
RULES = 1_000_000
FEW = 32  # one batch: the start of EAL and of the tool
TOOL = "dpdk-test-flow-perf"


def trusted(path):
    """EAL loads no plugin from a path that others may write to."""
    while True:
        if os.stat(path).st_mode & stat.S_IWOTH:
            return False
        parent = os.path.dirname(path)
        if parent == path:
            return True
        path = parent


def run(plugin, rules, *more):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [TOOL, "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "-m", "512", "-l", "0",
         f"--file-prefix=slbench{os.getpid()}", "-d", plugin,
         "--vdev", "net_esw0,representor=[0-1],rules=1048576,host=0", "--",
         "--portmask=0x1", "--transfer", "--group=1", "--ether", "--ipv4", "--count", "--drop",
         f"--rules-count={rules}", f"--rules-batch={min(rules, 100000)}", *more],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rates = dict(re.findall(r"Latency \| (Insertion|Deletion).*rate -> ([0-9.]+) K", done.stdout))
    if done.returncode != 0 or "Insertion" not in rates:
        sys.exit(f"{TOOL} failed ({done.returncode}):\n{done.stdout}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {what: float(rate) / 1000 for what, rate in rates.items()}, cpu


def bench(name, samples):
    median = statistics.median(samples)
    spread = (max(samples) - min(samples)) / median
    print("RAW", name, " ".join(f"{s:.3f}" for s in samples))
    print(f"BENCH {name} ours={median:.3f} peer=absent ratio=- unit=Mrules/s "
          f"runs={len(samples)} spread={spread:.3f}")


def main():
    only = os.environ.get("SLUICE_BENCH_ONLY", "")
    if not ("pmd.rules".startswith(only) or only.startswith("pmd.rules")):
        return
    here = os.path.dirname(os.path.abspath(__file__))
    plugin = os.path.join(os.path.dirname(here), "lib", "librte_net_esw.so")
    if shutil.which(TOOL) is None:
        sys.exit(f"{TOOL} is not installed (Debian package dpdk-dev)")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="slbench-") as private:
        if not trusted(plugin):
            plugin = shutil.copy(plugin, private)
        try:
            walls, cpus, deletions = [], [], []
            for _ in range(RUNS):
                _, base = run(plugin, FEW)
                rates, cpu = run(plugin, RULES)
                walls.append(rates["Insertion"])
                cpus.append(RULES / max(cpu - base, 1e-3) / 1e6)
                deletions.append(run(plugin, RULES, "--deletion-rate")[0]["Deletion"])
        finally:
            shutil.rmtree(f"/var/run/dpdk/slbench{os.getpid()}", ignore_errors=True)
    for name, samples in (("pmd.rules", cpus), ("pmd.rules.wall", walls),
                          ("pmd.rules.delete", deletions)):
        if name.startswith(only):
            bench(name, samples)


if __name__ == "__main__":
    main()
