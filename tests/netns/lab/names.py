# SPDX-License-Identifier: Apache-2.0
"""Every name a lab gives to something that others can see carries its instance id.

The id is made of the checkout's path and the process id, so that neither two checkouts nor two
labs of one checkout meet. Interfaces need none: they are made inside the lab's own namespaces.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

PREFIX = "sl"
NETNS_DIR = Path("/run/netns")  # where iproute2 and the engine keep named namespaces


def project_root() -> Path:
    return Path(__file__).resolve().parents[3]


def checkout_hash(root: Path | None = None) -> str:
    path = str((root or project_root()).resolve())
    return hashlib.sha256(path.encode()).hexdigest()[:6]


def instance_id() -> str:
    return f"{checkout_hash()}{os.getpid():x}"


def base_dir() -> Path:
    """Run directories and locks of all labs; short, because unix socket paths end at 107 bytes."""
    return Path(os.environ.get("SLUICE_LAB_DIR", "/run/sluice-lab"))


@dataclass(frozen=True)
class Names:
    instance: str

    @property
    def prefix(self) -> str:
        return f"{PREFIX}{self.instance}-"

    def netns(self, role: str) -> str:
        return self.prefix + role

    def netns_path(self, role: str) -> Path:
        return NETNS_DIR / self.netns(role)

    @property
    def run_dir(self) -> Path:
        return base_dir() / self.instance

    def namespaces_here(self) -> list[Path]:
        """All that carry this lab's prefix, the engine's representor namespaces included."""
        if not NETNS_DIR.is_dir():
            return []
        return sorted(path for path in NETNS_DIR.iterdir() if path.name.startswith(self.prefix))
