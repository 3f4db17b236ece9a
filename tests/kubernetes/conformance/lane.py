# SPDX-License-Identifier: Apache-2.0
"""The lane `make conformance`: a cluster with multus, and the tests of this folder on it."""

from __future__ import annotations

from pathlib import Path

from cluster import command
from cluster.binaries import Binaries
from cluster.cluster import Say

import multus

FOLDER = Path(__file__).parent


def run(binaries: Binaries, bin_dir: Path, say: Say, words: list[str]) -> int:
    with multus.plugin_folder(bin_dir, say) as plugins:
        return command.test(
            binaries, plugins, say, words, running=False, folder=FOLDER, prepare=multus.install
        )
