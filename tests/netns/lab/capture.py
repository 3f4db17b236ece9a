# SPDX-License-Identifier: Apache-2.0
"""Sees what an interface carries: an AF_PACKET reader and a parser of what the lab looks for.

Source of the layouts: RFC 791, 768, 9293 (TCP), 792 (ICMP), 826 (ARP), 7348 (VXLAN).
"""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import threading
from dataclasses import dataclass, field

ETH_P_ALL = 3
PACKET_OUTGOING = 4
VXLAN_PORT = 4789


@dataclass
class Frame:
    """The fields that are there; a VXLAN frame has its `inner` one."""

    eth_src: str = ""
    eth_dst: str = ""
    eth_type: int = 0
    ip_src: str = ""
    ip_dst: str = ""
    proto: int = 0
    sport: int = 0
    dport: int = 0
    tcp_flags: int = 0
    icmp_type: int = -1
    vni: int | None = None
    inner: "Frame | None" = None
    payload: bytes = b""

    def innermost(self) -> "Frame":
        return self.inner.innermost() if self.inner else self


def mac_text(raw: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in raw)


def parse(data: bytes) -> Frame | None:
    """None for what is too short to be Ethernet; deeper layers are left out when cut short."""
    if len(data) < 14:
        return None
    frame = Frame(mac_text(data[6:12]), mac_text(data[0:6]), struct.unpack_from("!H", data, 12)[0])
    if frame.eth_type == 0x0800:
        _parse_ipv4(frame, data[14:])
    return frame


def _parse_ipv4(frame: Frame, data: bytes) -> None:
    if len(data) < 20 or data[0] >> 4 != 4:
        return
    header = (data[0] & 15) * 4
    frame.proto = data[9]
    frame.ip_src = str(ipaddress.IPv4Address(data[12:16]))
    frame.ip_dst = str(ipaddress.IPv4Address(data[16:20]))
    later_fragment = struct.unpack_from("!H", data, 6)[0] & 0x1FFF
    rest = data[header:]
    if later_fragment or header < 20:
        return
    if frame.proto in (6, 17) and len(rest) >= 8:
        frame.sport, frame.dport = struct.unpack_from("!HH", rest)
        if frame.proto == 6 and len(rest) >= 20:
            frame.tcp_flags = rest[13]
            frame.payload = rest[(rest[12] >> 4) * 4 :]
        elif frame.proto == 17:
            frame.payload = rest[8:]
            if frame.dport == VXLAN_PORT and len(rest) >= 16 and rest[8] & 0x08:
                frame.vni = int.from_bytes(rest[12:15], "big")
                frame.inner = parse(rest[16:])
    elif frame.proto == 1 and rest:
        frame.icmp_type = rest[0]


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def build_udp(
    eth_src: str, eth_dst: str, ip_src: str, ip_dst: str, sport: int, dport: int, payload: bytes
) -> bytes:
    """A complete Ethernet/IPv4/UDP frame, for senders that lie about who they are."""
    src, dst = socket.inet_aton(ip_src), socket.inet_aton(ip_dst)
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    pseudo = src + dst + struct.pack("!BBH", 0, 17, len(udp))
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, src, dst)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    ethernet = bytes.fromhex(eth_dst.replace(":", "") + eth_src.replace(":", "")) + b"\x08\x00"
    return ethernet + head + udp


@dataclass
class Seen:
    data: bytes
    outgoing: bool


@dataclass
class Capture:
    """Reads one interface of the namespace that the caller lives in, in a thread of its own.

    Contract: bounded memory (`limit` frames of `snaplen` bytes); what came before `stop` was
    called is in `frames` afterwards; `missed` counts what didn't fit."""

    interface: str
    snaplen: int = 192
    limit: int = 50_000
    frames: list[Seen] = field(default_factory=list)
    missed: int = 0

    def start(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.setblocking(False)
        self._socket.bind((self.interface, ETH_P_ALL))  # from here on frames are queued
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._wake.send(b"x")
        self._thread.join()
        for sock in (self._socket, self._wake, self._woken):
            sock.close()

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._socket, self._woken], [], [])
            while self._take_one():
                pass
            if self._woken in ready:
                return

    def _take_one(self) -> bool:
        try:
            data, address = self._socket.recvfrom(self.snaplen)
        except BlockingIOError:
            return False
        except OSError:
            return False  # the interface went away: what was seen stays
        if len(self.frames) < self.limit:
            self.frames.append(Seen(data, address[2] == PACKET_OUTGOING))
        else:
            self.missed += 1
        return True
