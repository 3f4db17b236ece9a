# SPDX-License-Identifier: Apache-2.0
"""What the guest boots from: the kernel and an initramfs with busybox, the agent and the modules
that the root file system needs."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.shell import LabError
from lane import TESTS
from lane.cache import Say, digest, provide, run_logged
from lane.kernel import Kernel, provide_kernel

BUSYBOX = Path("/bin/busybox")
AGENT = TESTS / "vm/agent/agent.cc"
GUEST = TESTS / "vm/guest"
EARLY_MODULES = ("9pnet_virtio", "9p", "overlay")
STEP_MINUTES = 5.0


@dataclass(frozen=True)
class BootFiles:
    kernel: Kernel
    initramfs: Path


def provide_boot_files(say: Say) -> BootFiles:
    kernel = provide_kernel(say)
    files = [Path(__file__).resolve(), AGENT, GUEST / "init", GUEST / "start", BUSYBOX]
    name = f"boot-{digest(files, kernel.folder.name)}"
    folder = provide(name, lambda fresh, log: _build(kernel, fresh, log), say)
    return BootFiles(kernel, folder / "initramfs")


def _build(kernel: Kernel, fresh: Path, log: Path) -> None:
    tree = fresh / "tree"
    for folder in ("bin", "proc", "sys", "dev", "run"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(BUSYBOX, tree / "bin/busybox")
    for name in ("init", "start"):
        shutil.copy(GUEST / name, tree / name)
        (tree / name).chmod(0o755)
    run_logged(
        ["g++", "-std=c++20", "-Os", "-s", "-static", "-fno-exceptions", "-fno-rtti",
         "-Wall", "-Wextra", "-o", str(tree / "bin/agent"), str(AGENT)],
        log, STEP_MINUTES,
    )  # fmt: skip
    modules = tree / "lib/modules" / kernel.release
    modules.mkdir(parents=True)
    for name in _with_dependencies(kernel, EARLY_MODULES):
        shutil.copy(kernel.modules / kernel.release / name, modules)
    for path in (kernel.modules / kernel.release).glob("modules.builtin*"):
        shutil.copy(path, modules)
    run_logged(["depmod", "-b", str(tree), kernel.release], log, STEP_MINUTES)
    names = "\n".join(sorted(str(path.relative_to(tree)) for path in tree.rglob("*")))
    with (fresh / "initramfs").open("wb") as output:
        # Not compressed: unpacking costs an emulated processor more than reading does.
        done = subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc"],
            cwd=tree, input=names.encode(), stdout=output, timeout=60,
        )  # fmt: skip
    if done.returncode != 0:
        raise LabError(f"cpio ended with {done.returncode}")
    shutil.rmtree(tree)


def _with_dependencies(kernel: Kernel, wanted: tuple[str, ...]) -> list[str]:
    """File names. A line of modules.dep has a module's, and those of all that it needs."""
    needs: dict[str, list[str]] = {}
    for line in (kernel.modules / kernel.release / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[Path(path).stem.replace("-", "_")] = [path, *others.split()]
    missing = [name for name in wanted if name not in needs]
    if missing:
        raise LabError(f"the kernel in {kernel.folder} has no module {', '.join(missing)}")
    return sorted({path for name in wanted for path in needs[name]})
