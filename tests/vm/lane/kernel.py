# SPDX-License-Identifier: Apache-2.0
"""The guest's kernel and its modules, made from Debian's packages and our patches.

Debian builds no netdevsim and no siw, and its rxe stays in one namespace; these three are built
from its source, out of the tree, as the patches in tests/vm/patches change them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.shell import LabError, run
from lane import TESTS, packages
from lane.cache import Say, cache_dir, digest, provide, run_logged
from lane.packages import SERIES, KernelVersion, StaleLists

PATCHES = TESTS / "vm/patches"
MODULES_FILE = TESTS / "vm/modules.txt"
STEP_MINUTES = 10.0


@dataclass(frozen=True)
class OwnModule:
    name: str
    folder: str  # in the kernel's source
    option: str


OWN_MODULES = (
    OwnModule("netdevsim", "drivers/net/netdevsim", "CONFIG_NETDEVSIM"),
    OwnModule("rdma_rxe", "drivers/infiniband/sw/rxe", "CONFIG_RDMA_RXE"),
    OwnModule("siw", "drivers/infiniband/sw/siw", "CONFIG_RDMA_SIW"),
)


@dataclass(frozen=True)
class Kernel:
    """folder: `vmlinuz`, and `modules/RELEASE` as it will be in /lib/modules."""

    folder: Path

    @property
    def image(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def modules(self) -> Path:
        return self.folder / "modules"

    @property
    def release(self) -> str:
        return next(self.modules.iterdir()).name


def provide_kernel(say: Say) -> Kernel:
    """The newest that apt offers, from the cache when it is there. Where that one can't be had (no
    network, no lists), one that an earlier day made by the same recipe."""
    recipe = _recipe()
    try:
        return Kernel(_provide_newest(recipe, say))
    except LabError as error:
        made = sorted(cache_dir().glob(f"kernel-{recipe}-*"), key=lambda each: each.stat().st_mtime)
        if not made:
            raise
        say(f"using {made[-1].name}; a newer kernel can't be had: {str(error).splitlines()[0]}")
        os.utime(made[-1])
        return Kernel(made[-1])


def _recipe() -> str:
    here = Path(__file__).resolve()
    files = [here, here.with_name("packages.py"), MODULES_FILE, *sorted(PATCHES.glob("*.patch"))]
    return digest(files)


def _provide_newest(recipe: str, say: Say) -> Path:
    try:
        return _provide_version(packages.resolve(), recipe, say)
    except StaleLists as error:
        say(f"updating apt's lists: {error}")
        packages.update_lists(cache_dir() / "update.log")
        return _provide_version(packages.resolve(), recipe, say)


def _provide_version(version: KernelVersion, recipe: str, say: Say) -> Path:
    def make(fresh: Path, log: Path) -> None:
        say(f"building the modules of Linux {version.release}, log: {log}")
        work = fresh / "work"
        work.mkdir()
        packages.download(version, work, log)
        _build(version, work, fresh, log)
        shutil.rmtree(work)

    return provide(f"kernel-{recipe}-{version.package}", make, say)


def _build(version: KernelVersion, work: Path, fresh: Path, log: Path) -> None:
    root = work / "root"
    headers = _prepare_headers(version, root)
    source = _prepare_source(root, work, log)
    modules = fresh / "modules" / version.release
    modules.mkdir(parents=True)
    stock = root / "lib/modules" / version.release
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(stock / name, modules)
    _copy_modules(wanted_modules(), stock, modules)
    for own in OWN_MODULES:
        folder = source / own.folder
        run_logged(
            ["make", "-s", f"-j{os.cpu_count() or 2}", "-C", str(headers), f"M={folder}",
             f"{own.option}=m", "modules"],
            log, STEP_MINUTES,
        )  # fmt: skip
        built = folder / f"{own.name}.ko"
        # -g: symbols have to stay, debugging information is twenty times the rest.
        run_logged(["strip", "-g", str(built)], log, STEP_MINUTES)
        shutil.copy(built, modules)
        _copy_modules(_needs(built), stock, modules)
    run_logged(["depmod", "-b", str(_as_root(fresh, work)), version.release], log, STEP_MINUTES)
    shutil.copy(root / f"boot/vmlinuz-{version.release}", fresh / "vmlinuz")


def _as_root(fresh: Path, work: Path) -> Path:
    """depmod looks in lib/modules of a root."""
    link = work / "guest/lib/modules"
    link.parent.mkdir(parents=True)
    link.symlink_to(fresh / "modules")
    return work / "guest"


def _prepare_headers(version: KernelVersion, root: Path) -> Path:
    headers = root / "usr/src" / version.headers
    makefile = headers / "Makefile"
    # It includes the common headers' Makefile by its absolute path, where it would be installed.
    makefile.write_text(makefile.read_text().replace("/usr/src/", f"{root}/usr/src/"))
    # With a vmlinux at hand each module's BTF would be made, which needs pahole, and nobody reads.
    (headers / "vmlinux").unlink(missing_ok=True)
    return headers


def _prepare_source(root: Path, work: Path, log: Path) -> Path:
    archive = root / f"usr/src/linux-source-{SERIES}.tar.xz"
    source = work / "source"
    source.mkdir()
    folders = [f"linux-source-{SERIES}/{own.folder}" for own in OWN_MODULES]
    run_logged(
        ["tar", "-C", str(source), "--strip-components=1", "-xf", str(archive), *folders],
        log, STEP_MINUTES,
    )  # fmt: skip
    for patch in sorted(PATCHES.glob("*.patch")):
        # No fuzz: a patch that fits only about is looked at by a person.
        run_logged(
            ["patch", "-d", str(source), "-p1", "--fuzz=0", "-i", str(patch)], log, STEP_MINUTES
        )
    return source


def wanted_modules() -> list[str]:
    lines = [line.split("#")[0] for line in MODULES_FILE.read_text().splitlines()]
    return " ".join(lines).split()


def _copy_modules(names: list[str], stock: Path, target: Path) -> None:
    """These and all that they depend on, unpacked: busybox knows no xz."""
    found = {_name(path): path for path in stock.rglob("*.ko*")}
    there = {_name(Path(line)) for line in (stock / "modules.builtin").read_text().splitlines()}
    there |= {_name(path) for path in target.glob("*.ko")}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in there:
            continue
        there.add(name)
        if name not in found:
            raise LabError(f"the kernel in {stock} has no module {name} ({MODULES_FILE})")
        todo += _needs(_unpack(found[name], target))


def _needs(module: Path) -> list[str]:
    said = run(["modinfo", "-F", "depends", str(module)]).stdout.strip()
    return [name.replace("-", "_") for name in said.split(",") if name]


def _unpack(path: Path, target: Path) -> Path:
    unpacked = target / path.name.removesuffix(".xz")
    if path.suffix == ".xz":
        with unpacked.open("wb") as output:
            subprocess.run(["xz", "-dc", str(path)], stdout=output, check=True, timeout=60)
    else:
        shutil.copy(path, unpacked)
    return unpacked


def _name(path: Path) -> str:
    return re.sub(r"\.ko(\.\w+)?$", "", path.name).replace("-", "_")
