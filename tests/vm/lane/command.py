# SPDX-License-Identifier: Apache-2.0
"""What scripts/vm does."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from lab import state
from lab.ending import undisturbed
from lab.names import Names
from lab.programs import require_privileges
from lab.shell import LabError
from lab.suite import find_tests, run_tests
from lane import ROOT, TESTS
from lane.agent import attach_terminal
from lane.boot import provide_boot_files
from lane.cache import Say
from lane.case import VmTest
from lane.machine import QEMU, VirtualMachine

TOOLS = (
    QEMU, "apt-get", "dpkg", "make", "gcc", "g++", "patch", "tar", "xz", "cpio", "depmod",
    "modinfo", "strip", "busybox", "setpriv",
)  # fmt: skip
GUEST_TOOLS = ("ip", "tc", "devlink", "rdma", "ping", "ibv_rc_pingpong", "rping", "strace")
LOGS = ROOT / "build/test-logs/vm"
ENTER_SECONDS = 3600.0


def require_machine() -> None:
    """What is needed, looked for before anything is made."""
    require_privileges()
    missing = [tool for tool in (*TOOLS, *GUEST_TOOLS) if shutil.which(tool) is None]
    if missing:
        raise LabError(f"{', '.join(missing)} not found: run scripts/deps")


@contextmanager
def machine(say: Say) -> Iterator[VirtualMachine]:
    """One that is gone afterwards."""
    files = provide_boot_files(say)
    owner = state.claim()
    vm = VirtualMachine(owner.names.run_dir)
    try:
        try:
            vm.boot(files, owner)
            say("the virtual machine is up")
            yield vm
        except LabError:
            _save_logs(vm)
            raise
    finally:
        with undisturbed():
            vm.power_off()
            owner.release()


def _save_logs(vm: VirtualMachine) -> None:
    vm.save_logs(LOGS)
    print(f"logs: {LOGS}", file=sys.stderr)


def up(say: Say) -> int:
    if running := state.kept():
        print(f"A virtual machine is up ({running[0]}); take it down first: scripts/vm down")
        return 1
    files = provide_boot_files(say)
    owner = state.claim()
    vm = VirtualMachine(owner.names.run_dir)
    try:
        vm.boot(files, owner, keep=True)
        owner.keep()
    except BaseException:
        with undisturbed():
            vm.power_off()
            owner.release()
        raise
    say("ready")
    print(f"""To try:
  scripts/vm enter                      # a shell in it; Ctrl-] leaves
  scripts/vm enter ip -br link          # a command in it
  scripts/vm test --running igb_test    # tests in it
  ls {vm.folder}        # console.log; share/ is /share in it
To take it down: scripts/vm down""")
    return 0


def _attach() -> VirtualMachine:
    running = state.kept()
    if not running:
        raise LabError("no virtual machine is up (scripts/vm up)")
    return VirtualMachine(Names(running[0]).run_dir)


def down() -> int:
    print("\n".join(state.take_down_kept()) or "nothing was left up")
    return 0


def enter(folder: Path | None, words: list[str]) -> int:
    """folder: a held one's, instead of the one that was left up."""
    vm = VirtualMachine(folder) if folder else _attach()
    if not words:
        attach_terminal(vm.terminal)
        return 0
    vm.attach()
    try:
        output = vm.run(" ".join(words), timeout=ENTER_SECONDS)
    finally:
        vm.power_off()
    sys.stdout.write(output.stdout)
    sys.stderr.write(output.stderr)
    return output.status


def reap() -> int:
    """Whoever claims an instance removes those whose holder is dead."""
    state.claim().release()
    return 0


def hold(say: Say) -> int:
    """For programs in any language: READY and the machine's folder on stdout; ends at the end of
    stdin. `enter` with that folder runs commands in it."""
    with machine(say) as vm:
        vm.detach()
        print(f"READY {vm.folder}", flush=True)
        sys.stdin.read()
    return 0


def test(say: Say, words: list[str], running: bool) -> int:
    suite = find_tests(TESTS / "vm", words)
    with _attached() if running else machine(say) as vm:
        VmTest.vm = vm
        passed = run_tests(suite)
        complaints = vm.complaints()
        if complaints:
            print(f"FAIL: the guest's kernel complained:\n{complaints}")
        good = passed and not complaints
        if not good:
            _save_logs(vm)
    say("done")
    return 0 if good else 1


@contextmanager
def _attached() -> Iterator[VirtualMachine]:
    vm = _attach()
    vm.attach()
    try:
        yield vm
    finally:
        vm.power_off()
