# SPDX-License-Identifier: Apache-2.0
"""Programs that Debian doesn't have: built from their Go modules once, then found in a cache.

Each folder of tests/kubernetes/modules is a Go module without code: `tool` lines name programs,
go.mod and go.sum pin every module that is in them. A product's cache folder is named by all that
decides what is built; it appears by a rename, complete or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence, TextIO

from cluster import ROOT
from lab.shell import LabError, run, tail

MODULES = ROOT / "tests/kubernetes/modules"
CLUSTER = ("etcd", "containerd", "kubernetes")
CNI = "cni"  # cnitool and the reference plugins, which tests want without a cluster
GO_MINUTES = 10  # to find or fetch one
BUILD_MINUTES = 20  # of one product; about 6 on two cores
OTHERS_MINUTES = 30  # when somebody else builds products
PROGRESS_SECONDS = 30.0
UNUSED_DAYS = 30
ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOWORK": "off",
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath",
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Binaries:
    """One folder a product; etcd's module calls its program `server`."""

    etcd: Path
    containerd: Path
    kubernetes: Path

    def kube(self, name: str) -> Path:
        return self.kubernetes / name


def cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sluice/kubernetes"


def provide(say: Say = lambda text: None) -> Binaries:
    return Binaries(**_provide(CLUSTER, say))


def provide_cni(say: Say = lambda text: None) -> Path:
    """The folder with cnitool, host-local, static, bridge, tuning and portmap: a CNI_PATH."""
    return _provide((CNI,), say)[CNI]


def _provide(products: Sequence[str], say: Say) -> dict[str, Path]:
    """Builds what the cache doesn't have. Two at once: the second waits, and then finds it."""
    go = _find_go(products)
    version = run([str(go), "env", "GOVERSION"], env=ENVIRONMENT).stdout.strip()
    folders = {product: cache_dir() / f"{product}-{_key(product, version)}" for product in products}
    if missing := [name for name, folder in folders.items() if not folder.is_dir()]:
        with _lock(say):
            for product in missing:
                if not folders[product].is_dir():
                    _build(product, folders[product], go, say)
            _trim(folders)
    for folder in folders.values():
        os.utime(folder)
    return folders


def _find_go(products: Sequence[str]) -> Path:
    """scripts/go finds one that is new enough, or installs one."""
    wanted = max(_go_line(product) for product in products)
    command = [str(ROOT / "scripts/go"), ".".join(map(str, wanted))]
    with tempfile.TemporaryFile("w+") as output:
        if _run_group(command, "looking for a Go", GO_MINUTES, stdout=output) != 0:
            raise LabError(
                f"no Go that is new enough (see above) to build {', '.join(products)} with"
            )
        output.seek(0)
        return Path(output.read().strip())


def _run_group(command: list[str], what: str, minutes: float, **options: Any) -> int:
    """In a session of its own: whatever ends the wait ends the command's children too."""
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, **options
    )
    try:
        return child.wait(minutes * 60)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{what} took more than {minutes:g} minutes") from error
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _go_line(product: str) -> tuple[int, ...]:
    text = (MODULES / product / "go.mod").read_text()
    match = re.search(r"^go (\d+(?:\.\d+)*)$", text, re.M)
    if match is None:
        raise LabError(f"{MODULES / product / 'go.mod'} has no line `go <version>`")
    return tuple(map(int, match[1].split(".")))


def _linker_flags(product: str) -> str:
    flags = "-s -w"
    if product == "kubernetes":  # or it calls itself v0.0.0-master, and version skew checks fail
        text = (MODULES / product / "go.mod").read_text()
        match = re.search(r"^\s*(?:require )?k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)", text, re.M)
        if match is None:
            raise LabError(f"{MODULES / product / 'go.mod'} requires no k8s.io/kubernetes")
        package = "k8s.io/component-base/version"
        named = {"gitVersion": match[1], "gitMajor": match[2], "gitMinor": match[3]}
        flags += "".join(f" -X {package}.{name}={value}" for name, value in named.items())
    return flags


def _key(product: str, go_version: str) -> str:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((MODULES / product / name).read_bytes())
    digest.update(repr((go_version, sorted(ENVIRONMENT.items()), _linker_flags(product))).encode())
    return digest.hexdigest()[:16]


@contextmanager
def _lock(say: Say) -> Iterator[None]:
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("somebody else builds programs; waiting for that")
            _await_lock(file)
        yield


def _await_lock(file: TextIO) -> None:
    deadline = time.monotonic() + OTHERS_MINUTES * 60
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise LabError(
                    f"somebody has been building programs for {OTHERS_MINUTES} minutes: "
                    f"`fuser {file.name}` says who"
                ) from error
        time.sleep(1)


def _build(product: str, folder: Path, go: Path, say: Say) -> None:
    fresh, log = cache_dir() / f".{product}.new", cache_dir() / f"{product}.log"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    command = [
        str(go), "install", "-v", "-p", os.environ.get("JOBS", str(os.cpu_count() or 2)),
        "-ldflags", _linker_flags(product), "tool",
    ]  # fmt: skip
    environment = {
        **os.environ, **ENVIRONMENT,
        "GOBIN": str(fresh), "GOCACHE": str(cache_dir() / "go-build"),
    }  # fmt: skip
    started = time.monotonic()
    say(f"building {product} from its Go modules, log: {log}")
    done = threading.Event()
    progress = threading.Thread(target=_report, args=(product, log, started, done, say))
    progress.start()
    try:
        with log.open("wb") as output:
            code = _run_group(
                command, f"building {product} (log: {log})", BUILD_MINUTES,
                cwd=MODULES / product, env=environment, stdout=output, stderr=output,
            )  # fmt: skip
    finally:
        done.set()
        progress.join()
    if code != 0:
        raise LabError(
            f"building {product}: go install ended with {code}{_not_fetched(log, go)}:\n"
            f"{tail(log, 20)}"
        )
    fresh.rename(folder)
    say(f"{product} built in {time.monotonic() - started:.0f} s")


def _not_fetched(log: Path, go: Path) -> str:
    """What Go names as `module@version: why`, for who has no network or a proxy that lacks it."""
    found = re.findall(r"^(?:go: )?([\w./~-]+@v[^\s:]+): ", log.read_text(errors="replace"), re.M)
    modules = list(dict.fromkeys(found))
    if not modules:
        return ""
    named = ", ".join(modules[:3]) + (f" and {len(modules) - 3} more" if modules[3:] else "")
    proxy = run([str(go), "env", "GOPROXY"], check=False).stdout.strip()
    return f"; not fetched: {named} (GOPROXY is {proxy or 'empty'})"


def _report(product: str, log: Path, started: float, done: threading.Event, say: Say) -> None:
    while not done.wait(PROGRESS_SECONDS):
        packages = log.read_bytes().count(b"\n") if log.exists() else 0
        say(f"{product}: {time.monotonic() - started:.0f} s, {packages} packages")


def _trim(wanted: dict[str, Path]) -> None:
    """Away with Go's build cache (5 GB, of no use any more) and with programs long out of use."""
    if all(folder.is_dir() for folder in wanted.values()):
        shutil.rmtree(cache_dir() / "go-build", ignore_errors=True)
    oldest = time.time() - UNUSED_DAYS * 86400
    for product, current in wanted.items():
        for folder in cache_dir().glob(f"{product}-*"):
            if folder != current and folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
