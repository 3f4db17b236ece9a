# SPDX-License-Identifier: Apache-2.0
"""What a call asks of the kernel, counted by strace.

Netlink messages are read from strace's dump of what was written, because strace decodes them only
where the kernel can tell it a socket's protocol. Source: <linux/rtnetlink.h>, <linux/if_link.h>.
"""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path
from typing import Iterator

from calls import Call, CallFailed

SECONDS = 60
SENDING = ("sendto", "sendmsg")
STARTING = ("clone", "clone3", "fork", "vfork")
SYNCHRONISING = ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync")
TRACED = (*SENDING, *STARTING, *SYNCHRONISING, "unshare")
LINE = re.compile(r"^(\d+) +(?:(\w+)\(|<\.\.\. \w+ resumed>)(.*)$")
DUMP = re.compile(r"^ \| [0-9a-f]+ ((?: +[0-9a-f]{2}){1,16})")
RTM_NEWLINK, RTM_SETLINK = 16, 19
IFLA_NET_NS_PID, IFLA_NET_NS_FD = 19, 28
LINK_HEADER = 16  # struct ifinfomsg


def count(call: Call, log: Path) -> dict[str, int]:
    """The call is really made. log: is overwritten."""
    command = ["strace", "-f", "-o", str(log), "-e", f"trace={','.join(TRACED)}", "-e", "write=all"]
    done = subprocess.run(
        [*command, call.program], env=dict(call.environment), input=call.input, text=True,
        capture_output=True, timeout=SECONDS,
    )  # fmt: skip
    if done.returncode != 0:
        raise CallFailed(f"{call.program} under strace said: {done.stdout}{done.stderr}")
    return counted(log.read_text(errors="replace"))


def counted(trace: str) -> dict[str, int]:
    out = {"requests": 0, "moves": 0, "namespaces": 0, "fsyncs": 0, "processes": 0}
    netlink: dict[str, bool] = {}  # of each thread's last call; a dump follows the end of its call
    thread, written = "", bytearray()
    for line in [*trace.splitlines(), "0 end()"]:
        if dump := DUMP.match(line):
            written += bytes.fromhex(dump[1])
            continue
        match = LINE.match(line)
        if not match:
            continue
        if netlink.get(thread):
            for kind, payload in messages(bytes(written)):
                out["requests"] += 1
                out["moves"] += moves_a_link(kind, payload)
        written.clear()
        thread, name, words = match.groups()
        if name:  # else the second half of an interrupted one
            netlink[thread] = name in SENDING and "nlmsg_len" in words
            out["processes"] += name in STARTING and "CLONE_THREAD" not in words
            out["fsyncs"] += name in SYNCHRONISING
            out["namespaces"] += name == "unshare" and "CLONE_NEWNET" in words
    return out


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each netlink message."""
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        if length < 16:
            return
        yield kind, data[16:length]
        data = data[(length + 3) & ~3 :]


def moves_a_link(kind: int, payload: bytes) -> bool:
    if kind not in (RTM_NEWLINK, RTM_SETLINK):
        return False
    rest = payload[LINK_HEADER:]
    while len(rest) >= 4:
        length, attribute = struct.unpack_from("=HH", rest)
        if attribute in (IFLA_NET_NS_PID, IFLA_NET_NS_FD):
            return True
        rest = rest[(max(length, 4) + 3) & ~3 :]
    return False
