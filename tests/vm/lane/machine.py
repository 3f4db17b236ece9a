# SPDX-License-Identifier: Apache-2.0
"""A QEMU with two SR-IOV network cards, an IOMMU and a wire; the host's root is the guest's.

    pf0 (igb, 7 VFs, 0000:01:00.0)  pf1 (igb, 7 VFs, 0000:02:00.0)  wire (virtio, 0000:03:00.0)
         |                               |                               |
         +------------------------- one hub -----------------------------+

Its processors are emulated (TCG) wherever it runs, so that a run says the same everywhere.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab.shell import Child, LabError, tail, wait_until
from lab.state import Ownership
from lane import ROOT
from lane.agent import TIMED_OUT, Agent, Job, Output
from lane.boot import BootFiles

QEMU = "qemu-system-x86_64"
# QEMU 10.0 cuts a VF's BAR to 32 bits, and SeaBIOS puts BARs above 4 GiB as soon as there is memory
# above it, which q35 has from 2816 MB on. With more than that VFs have no carrier.
MEMORY_MB = 2048
START_SECONDS = 20.0
BOOT_SECONDS = 300.0  # 5 on a quiet machine
RUN_SECONDS = 120.0
ATTACH_SECONDS = 10.0
KERNEL_LINE = (
    "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable nokaslr audit=0 cryptomgr.notests "
    "no_timer_check "  # the check counts ticks, which an emulator on a busy machine is late with
    "intel_iommu=on iommu=pt"
)
SHARE = "/share"  # in the guest
# Of the kernel's log: it found itself in a state that it should never be in.
COMPLAINTS = r"BUG:|WARNING:|Oops|general protection|refcount_t|list_(add|del) corruption|hung_task"


class VirtualMachine:
    """Booted by boot(), ended by power_off(); and by the kernel, should this process die."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._child: Child | None = None
        self._agent: Agent | None = None

    @property
    def console_log(self) -> Path:
        return self.folder / "console.log"

    @property
    def terminal(self) -> Path:
        return self.folder / "terminal.sock"

    def boot(self, files: BootFiles, owner: Ownership, *, keep: bool = False) -> None:
        """Until the agent answers. keep: the machine outlives this process."""
        (self.folder / "share").mkdir(parents=True)
        command = [QEMU, *self._options(files)]
        log = self.folder / "qemu.log"
        self._child = owner.adopt(Child("QEMU", command, log=log, linger=keep))
        try:
            self._agent = self._connect(self._child)
        except LabError as error:
            raise LabError(
                f"the virtual machine didn't boot: {error}; QEMU {self._child.how_it_ended()}\n"
                f"{tail(log)}\n{tail(self.console_log, 30)}"
            ) from error

    def attach(self) -> None:
        """To one that another process has left up."""
        self._agent = Agent(self.folder / "agent.sock", ATTACH_SECONDS)

    def detach(self) -> None:
        """Leaves the agent to another client; what this one has running is ended by that one."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    def power_off(self) -> None:
        """At once: nothing that it holds outlives it. One that was attached to is only let go."""
        self.detach()
        if self._child is not None:
            self._child.stop()
            self._child = None

    def start(self, command: str, stdin: str = "") -> Job:
        """A shell command (sh) in the background."""
        if self._agent is None:
            raise LabError("the virtual machine isn't up")
        return self._agent.start(command, stdin)

    def run(self, command: str, *, stdin: str = "", timeout: float = RUN_SECONDS) -> Output:
        """A shell command to its end. Status 124: it was killed when its time was up."""
        return self.start(command, stdin).wait(timeout)

    def check(self, command: str, *, stdin: str = "", timeout: float = RUN_SECONDS) -> str:
        """What a command that has to succeed writes to stdout."""
        output = self.run(command, stdin=stdin, timeout=timeout)
        if output.status != 0:
            said = output.stderr.strip() or output.stdout.strip() or "nothing"
            how = "was not done in time" if output.status == TIMED_OUT else "failed"
            raise LabError(f"`{command}` {how} in the guest ({output.status}) and said: {said}")
        return output.stdout

    def put(self, name: str, content: str | bytes, mode: int = 0o644) -> str:
        """A file for the guest; its path there."""
        path = self.folder / "share" / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return f"{SHARE}/{name}"

    def get(self, path: str) -> bytes:
        """A file of the guest."""
        name = f"get-{os.urandom(4).hex()}"
        self.check(f"cp '{path}' {SHARE}/{name}")
        copy = self.folder / "share" / name
        content = copy.read_bytes()
        copy.unlink()
        return content

    def complaints(self) -> str:
        """Lines of the guest kernel's log that no test should cause."""
        return self.run(f"dmesg | grep -E '{COMPLAINTS}'").stdout

    def save_logs(self, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        for name in ("console.log", "qemu.log"):
            if (self.folder / name).exists():
                shutil.copy(self.folder / name, target)
        try:
            (target / "dmesg.log").write_text(self.run("dmesg", timeout=ATTACH_SECONDS).stdout)
        except LabError:
            pass  # it is gone: the console says why

    def _connect(self, child: Child) -> Agent:
        path = self.folder / "agent.sock"
        wait_until("QEMU's sockets", lambda: path.exists() or not child.alive(), START_SECONDS)
        child.require_alive()
        return Agent(path, BOOT_SECONDS)

    def _options(self, files: BootFiles) -> list[str]:
        return [
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", "q35",
            "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max",
            "-smp", "2", "-m", str(MEMORY_MB),
            "-kernel", str(files.kernel.image), "-initrd", str(files.initramfs),
            "-append",
            f"{KERNEL_LINE} sluice.modules={files.kernel.modules} sluice.checkout={ROOT}",
            "-serial", f"file:{self.console_log}",
            "-device", "virtio-rng-pci",
            *self._ports(), *self._folders(), *_network(),
        ]  # fmt: skip

    def _ports(self) -> list[str]:
        options = ["-device", "virtio-serial-pci,max_ports=3"]
        for name, device in (("agent", "virtserialport,name=agent"), ("terminal", "virtconsole")):
            path = f"{self.folder}/{name}.sock"
            options += ["-chardev", f"socket,id={name},path={path},server=on,wait=off"]
            options += ["-device", f"{device},chardev={name}"]
        return options

    def _folders(self) -> list[str]:
        options = []
        for name, path, access in (
            ("root", "/", ",readonly=on"),
            ("share", f"{self.folder}/share", ""),
        ):
            # remap: the root may be of several file systems, whose inode numbers meet.
            options += [
                "-fsdev",
                f"local,id={name},path={path},security_model=none,multidevs=remap{access}",
                "-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}",
            ]  # fmt: skip
        return options


def _network() -> list[str]:
    """guest/start calls the cards by their MAC addresses."""
    options = ["-device", "intel-iommu,intremap=on,device-iotlb=on"]
    cards = (("igb", "01"), ("igb", "02"), ("virtio-net-pci", "99"))
    for slot, (device, mac) in enumerate(cards, 1):
        options += [
            "-netdev", f"hubport,id=net{slot},hubid=0",
            "-device", f"pcie-root-port,id=port{slot},chassis={slot},slot={slot},bus=pcie.0",
            "-device", f"{device},bus=port{slot},netdev=net{slot},mac=52:54:00:00:{mac}:00",
        ]  # fmt: skip
    return options
