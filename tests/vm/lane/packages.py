# SPDX-License-Identifier: Apache-2.0
"""Debian's kernel, its headers and its source: which version there is, and the files.

The ABI name (6.12.N+deb12) changes every few weeks, so it is never written down here: apt's lists
say it. Image, headers and source must be of one version, or modules don't load.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab.shell import LabError, run
from lane.cache import run_logged

SERIES = "6.12"  # a long-term one that bookworm-security carries; older ones lack what we patch
FLAVOUR = "amd64"  # not cloud-amd64: that one has neither igb nor 9p nor rxe
DOWNLOAD_MINUTES = 15.0


class StaleLists(LabError):
    """apt's lists are empty, or older than the archive: they name no kernel or one that is gone."""


@dataclass(frozen=True)
class KernelVersion:
    release: str  # what `uname -r` will say: 6.12.117+deb12-amd64
    package: str  # the packages' version: 6.12.117-1~deb12u1

    @property
    def abi(self) -> str:
        return self.release.removesuffix(f"-{FLAVOUR}")

    @property
    def headers(self) -> str:
        return f"linux-headers-{self.release}"

    @property
    def packages(self) -> list[str]:
        return [
            f"linux-image-{self.release}",
            self.headers,
            f"linux-headers-{self.abi}-common",
            f"linux-kbuild-{self.abi}",
            f"linux-source-{SERIES}",
        ]


def resolve() -> KernelVersion:
    """The newest that apt's lists, as they are, offer."""
    meta = f"linux-image-{SERIES}-{FLAVOUR}"
    said = run(["apt-cache", "depends", meta], check=False).stdout
    match = re.search(rf"Depends: linux-image-({re.escape(SERIES)}\.\S+-{FLAVOUR})$", said, re.M)
    if match is None:
        raise StaleLists(f"apt's lists have no {meta}: is Debian 12's security suite a source?")
    shown = run(["apt-cache", "show", "--no-all-versions", f"linux-image-{match[1]}"]).stdout
    version = re.search(r"^Version: (\S+)$", shown, re.M)
    if version is None:
        raise LabError(f"apt-cache says no version of linux-image-{match[1]}")
    return KernelVersion(match[1], version[1])


def update_lists(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        raise LabError("apt's lists are too old or empty, and only root may update them")
    run_logged(["apt-get", "-q", "-o", "Acquire::Retries=3", "update"], log, DOWNLOAD_MINUTES)


def download(version: KernelVersion, folder: Path, log: Path) -> None:
    """Unpacked into folder/root."""
    names = [f"{name}={version.package}" for name in version.packages]
    # As root apt would drop to a user of its own, who may not write here.
    options = ["-q", "-o", "Acquire::Retries=3", "-o", "APT::Sandbox::User=root"]
    try:
        run_logged(["apt-get", *options, "download", *names], log, DOWNLOAD_MINUTES, cwd=folder)
    except LabError as error:
        raise StaleLists(str(error)) from error
    for archive in sorted(folder.glob("*.deb")):
        run_logged(["dpkg", "-x", str(archive), str(folder / "root")], log, DOWNLOAD_MINUTES)
        archive.unlink()
