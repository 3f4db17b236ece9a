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

from lab.names import PREFIX, Names, base_dir, checkout_hash

MOUNT = Path("/sys/fs/cgroup")
NAME = re.compile(rf"^{PREFIX}({re.escape(checkout_hash())}[0-9a-f]+)-")


def name_of(names: Names, node: str) -> str:
    return names.netns(node)


def make(names: Names, node: str) -> str:
    """Returns the path for the kubelet's cgroupRoot."""
    for top in _hierarchies():
        folder = top / name_of(names, node)
        folder.mkdir(exist_ok=True)
        _inherit_cpuset(top, folder)
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
    """This checkout's, of clusters that have no lock file any more."""
    for folder in _all():
        match = NAME.match(folder.name)
        if match and not (base_dir() / f"{match[1]}.lock").exists():
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


def _inherit_cpuset(top: Path, folder: Path) -> None:
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
