# SPDX-License-Identifier: Apache-2.0
"""Where the built programs are, what else has to be there; known before anything is made."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.names import project_root
from lab.shell import LabError, run

NEEDED = ("sluice-offloadd", "sluice-device-plugin", "sluice-cni", "sluicectl", "standin-kubelet")
TOOLS = ("ip", "nsenter", "setpriv", "nft", "bridge")


class PrivilegeError(LabError):
    pass


@dataclass(frozen=True)
class Programs:
    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name


def find_programs(wish: str | None = None) -> Programs:
    root = project_root()
    named = wish or os.environ.get("SLUICE_BIN")
    folders = [Path(named)] if named else [root / "build/dev/bin", root / "build/release/bin"]
    for folder in folders:
        if all(os.access(folder / name, os.X_OK) for name in NEEDED):
            return Programs(folder.resolve())
    missing = [name for name in NEEDED if not os.access(folders[0] / name, os.X_OK)]
    raise LabError(
        f"{', '.join(missing)} not found in {' or '.join(str(folder) for folder in folders)}: "
        "build first (make build), or name the folder with --bin"
    )


def require_tools() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise LabError(f"{', '.join(missing)} not found: run scripts/deps")


def require_privileges() -> None:
    """Being root is not enough in a container without CAP_SYS_ADMIN or CAP_NET_ADMIN: tried out."""
    if os.geteuid() != 0:
        raise PrivilegeError("this makes network namespaces and needs root: run it with sudo")
    done = run(["unshare", "--net", "ip", "link", "set", "lo", "up"], check=False)
    if done.returncode != 0:
        raise PrivilegeError(
            "this makes network namespaces and may not (CAP_SYS_ADMIN and CAP_NET_ADMIN are "
            f"needed): {done.stderr.strip()}"
        )
