#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""pmd.rules: how fast DPDK's own dpdk-test-flow-perf, unmodified, installs rules into net_esw.

Prints the tool's own rate (pmd.rules, wall clock), and rules a second of CPU time of its process
(pmd.rules.cpu: a run's CPU time less that of a run with few rules), in millions.
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

RUNS = 7
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


def run(plugin, rules):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [TOOL, "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "-m", "512", "-l", "0",
         f"--file-prefix=slbench{os.getpid()}", "-d", plugin,
         "--vdev", "net_esw0,representor=[0-1],rules=1048576,host=0", "--",
         "--portmask=0x1", "--transfer", "--group=1", "--ether", "--ipv4", "--count", "--drop",
         f"--rules-count={rules}", f"--rules-batch={min(rules, 100000)}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"Latency \| Insertion.*insertion rate -> ([0-9.]+) K", done.stdout)
    if done.returncode != 0 or not found:
        sys.exit(f"{TOOL} failed ({done.returncode}):\n{done.stdout}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(found.group(1)) / 1000, cpu


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
        rates, cpus = [], []
        for _ in range(RUNS):
            _, base = run(plugin, FEW)
            rate, cpu = run(plugin, RULES)
            rates.append(rate)
            cpus.append(RULES / max(cpu - base, 1e-3) / 1e6)
        shutil.rmtree(f"/var/run/dpdk/slbench{os.getpid()}", ignore_errors=True)
    if "pmd.rules".startswith(only):
        bench("pmd.rules", rates)
    bench("pmd.rules.cpu", cpus)


if __name__ == "__main__":
    main()
