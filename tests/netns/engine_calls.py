# SPDX-License-Identifier: Apache-2.0
"""The engine's socket as the CNI plugin uses it: frames of common/api/offload.proto, by hand.

Only what the scenarios need of the protobuf wire format (varints and length-delimited fields), so
that they say byte for byte what an engine is told.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from lab.shell import LabError

# Fields of Request and Response.
NODE_INFO, ATTACH, DETACH, CHECK = 1, 2, 3, 8
FAILURE, CHECKED = 1, 9


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def decode(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        value: int | bytes = varint()
        if key & 7 == 2:
            size = int(value)
            value, at = data[at : at + size], at + size
        elif key & 7 != 0:
            raise ValueError(f"wire type {key & 7}")
        yield key >> 3, value


def text_of(message: bytes, number: int) -> str:
    for field, value in decode(message):
        if field == number and isinstance(value, bytes):
            return value.decode()
    return ""


@dataclass(frozen=True)
class Mapping:
    host_port: int
    pod_port: int
    proto: str
    host_ip: str = ""

    def encoded(self) -> bytes:
        return encode(9, b"".join((
            encode(1, self.host_port), encode(2, self.pod_port),
            encode(3, self.proto), encode(4, self.host_ip),
        )))  # fmt: skip


class Refused(LabError):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class EngineCalls:
    def __init__(self, path: Path) -> None:
        self.path = path

    def call(self, number: int, message: bytes) -> dict[int, bytes]:
        request = encode(number, message)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(20)
            sock.connect(str(self.path))
            sock.sendall(struct.pack("!I", len(request)) + request)
            with sock.makefile("rb") as reader:
                (size,) = struct.unpack("!I", reader.read(4))
                answer = dict(decode(reader.read(size)))
        if FAILURE in answer:
            raise Refused(text_of(answer[FAILURE], 1), text_of(answer[FAILURE], 2))
        return answer

    def attach(self, attachment: bytes) -> None:
        self.call(ATTACH, attachment)

    def detach(self, attachment: bytes) -> None:
        self.call(DETACH, encode(1, text_of(attachment, 1)))

    def problem(self, attachment: bytes) -> str:
        return text_of(self.call(CHECK, encode(1, attachment))[CHECKED], 2)

    def pending_directory(self) -> Path:
        return Path(text_of(self.call(NODE_INFO, b"")[2], 9))


def attachment_of(run_dir: Path, attachment: str) -> bytes:
    """As the engine keeps it: an AttachRequest, without its port mappings."""
    for _, kept in decode((run_dir / "attachments").read_bytes()):
        if isinstance(kept, bytes) and text_of(kept, 1) == attachment:
            fields = [(number, value) for number, value in decode(kept) if number != 9]
            return b"".join(encode(number, value) for number, value in fields)
    raise LabError(f"{run_dir}/attachments has no {attachment}")
