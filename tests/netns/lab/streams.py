# SPDX-License-Identifier: Apache-2.0
"""A byte stream that both ends can make from a seed, so that every received byte is compared.

Every block differs from every other: lost, repeated, swapped or shifted data can't look right.
"""

from __future__ import annotations

import hashlib
import random
import socket
from typing import Iterator

BLOCK = 64 * 1024


def block(seed: int, index: int) -> bytes:
    return random.Random(f"{seed}/{index}").randbytes(BLOCK)


def blocks(seed: int, total: int) -> Iterator[bytes]:
    index = 0
    while total > 0:
        piece = block(seed, index)
        yield piece if total >= BLOCK else piece[:total]
        total -= BLOCK
        index += 1


def send_stream(sock: socket.socket, seed: int, total: int) -> None:
    for piece in blocks(seed, total):
        sock.sendall(piece)


class Verdict:
    """What the receiver saw: the first wrong byte's offset, or None."""

    def __init__(self) -> None:
        self.received = 0
        self.wrong_at: int | None = None
        self._hash = hashlib.sha256()

    def take(self, expected: bytes, got: bytes) -> None:
        self._hash.update(got)
        if self.wrong_at is None and got != expected[: len(got)]:
            same = next(i for i, (a, b) in enumerate(zip(got, expected)) if a != b)
            self.wrong_at = self.received + same
        self.received += len(got)

    def as_dict(self, total: int) -> dict[str, object]:
        return {
            "ok": self.wrong_at is None and self.received == total,
            "bytes": self.received,
            "wrong_at": self.wrong_at,
            "sha256": self._hash.hexdigest(),
        }


def receive_stream(reader, seed: int, total: int) -> dict[str, object]:
    """`reader.read(n)` gives up to n bytes, fewer only at the end (a buffered socket file)."""
    verdict = Verdict()
    for piece in blocks(seed, total):
        got = reader.read(len(piece))
        verdict.take(piece, got)
        if len(got) < len(piece):
            break
    return verdict.as_dict(total)
