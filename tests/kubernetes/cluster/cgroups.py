# SPDX-License-Identifier: Apache-2.0
"""The cgroups of the nodes' containers: one of its own name for each node, in every hierarchy.

The kernel removes namespaces, mounts and processes with whoever held them; cgroups stay. So those
whose cluster is gone are looked for by name.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from lab.names import NETNS_DIR, PREFIX, Names, base_dir

MOUNT = Path("/sys/fs/cgroup")
NAME = re.compile(rf"^{PREFIX}([0-9a-f]{{7,}})-")  # a checkout's six digits, a process id


def name_of(names: Names, node: str) -> str:
    return names.netns(node)


def make(names: Names, node: str) -> str:
    """Returns the path for the kubelet's cgroupRoot."""
    for top in _hierarchies():
        folder = top / name_of(names, node)
        folder.mkdir(exist_ok=True)
        inherit_cpuset(top, folder)
    return f"/{name_of(names, node)}"


def remove(names: Names, patience: float = 5.0) -> list[str]:
    """After the processes are gone. What would not go, in words."""
    deadline = time.monotonic() + patience
    while True:
        left = [folder for folder in _all() if folder.name.startswith(names.prefix)]
        left = [folder for folder in left if not _remove_tree(folder)]
        if not left or time.monotonic() > deadline:
            return [f"cgroup {folder}" for folder in left]
        time.sleep(0.05)


def present(names: Names) -> list[str]:
    return [f"cgroup {folder}" for folder in _all() if folder.name.startswith(names.prefix)]


def reap() -> None:
    """Everybody's, because a checkout that is gone reaps no more: of clusters without a lock file,
    a namespace (one with another base folder has its locks there) or a process in any hierarchy."""
    found = _all()
    in_use = {folder.name for folder in found if _has_processes(folder)}
    for folder in found:
        match = NAME.match(folder.name)
        if match is None or folder.name in in_use or (NETNS_DIR / folder.name).exists():
            continue
        if not (base_dir() / f"{match[1]}.lock").exists():
            _remove_tree(folder)


def _hierarchies() -> list[Path]:
    if (MOUNT / "cgroup.controllers").exists():
        return [MOUNT]
    if not MOUNT.is_dir():
        return []
    # `cpu` may be a link to `cpu,cpuacct`.
    return sorted(path for path in MOUNT.iterdir() if path.is_dir() and not path.is_symlink())


def _all() -> list[Path]:
    return [folder for top in _hierarchies() for folder in top.glob(f"{PREFIX}*-*")]


def _has_processes(top: Path) -> bool:
    for folder, _, _ in os.walk(top):
        try:
            if (Path(folder) / "cgroup.procs").read_bytes():
                return True
        except FileNotFoundError:
            continue  # it went meanwhile
        except OSError:
            return True  # a threaded cgroup doesn't tell: leave it
    return False


def inherit_cpuset(top: Path, folder: Path) -> None:
    """A cgroup v1 cpuset starts empty and takes no process until it has both."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (folder / name).exists() and not (folder / "cgroup.controllers").exists():
            (folder / name).write_text((top / name).read_text())


def _remove_tree(top: Path) -> bool:
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
