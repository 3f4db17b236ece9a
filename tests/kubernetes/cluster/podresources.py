# SPDX-License-Identifier: Apache-2.0
"""What the kubelet says a pod has: its pod-resources API, asked by curl, read without a library.

Source: k8s.io/kubelet pkg/apis/podresources/v1 (field numbers), gRPC over HTTP/2.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

from lab.shell import LabError

LIST = "/v1.PodResourcesLister/List"
EMPTY_MESSAGE = b"\0\0\0\0\0"  # not compressed, length 0
FRAME_HEADER = 5


@dataclass(frozen=True)
class PodDevices:
    """`devices`: resource -> ids. `claims`: (claim, driver, pool, device)."""

    namespace: str
    name: str
    devices: dict[str, list[str]] = field(hash=False)
    claims: list[tuple[str, str, str, str]] = field(hash=False)


def list_pods(kubelet_dir: Path) -> list[PodDevices]:
    socket = kubelet_dir / "pod-resources/kubelet.sock"
    command = [
        "curl", "--silent", "--show-error", "--max-time", "10", "--http2-prior-knowledge",
        "--unix-socket", str(socket), "--header", "content-type: application/grpc",
        "--header", "te: trailers", "--data-binary", "@-", f"http://localhost{LIST}",
    ]  # fmt: skip
    done = subprocess.run(command, input=EMPTY_MESSAGE, capture_output=True, timeout=15)
    body = done.stdout
    if done.returncode != 0 or len(body) < FRAME_HEADER:
        said = done.stderr.decode(errors="replace").strip() or f"{len(body)} bytes"
        raise LabError(f"pod-resources of the kubelet at {socket}: {said}")
    length = int.from_bytes(body[1:FRAME_HEADER], "big")
    return [_pod(pod) for pod in _messages(body[FRAME_HEADER : FRAME_HEADER + length], 1)]


def _pod(data: bytes) -> PodDevices:
    devices: dict[str, list[str]] = {}
    claims: list[tuple[str, str, str, str]] = []
    for container in _messages(data, 3):
        for given in _messages(container, 2):
            ids = [value.decode() for value in _messages(given, 2)]
            devices.setdefault(_text(given, 1), []).extend(ids)
        for claim in _messages(container, 5):
            for result in _messages(claim, 4):
                told = (_text(claim, 2), _text(result, 2), _text(result, 3), _text(result, 4))
                claims.append(told)
    return PodDevices(_text(data, 2), _text(data, 1), devices, claims)


def _text(data: bytes, number: int) -> str:
    return next((value.decode() for value in _messages(data, number)), "")


def _messages(data: bytes, number: int) -> Iterator[bytes]:
    """The length-delimited fields of that number."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 2:
            length, at = _varint(data, at)
            if key >> 3 == number:
                yield data[at : at + length]
            at += length
        elif kind == 0:
            _, at = _varint(data, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise LabError(f"pod-resources: a field of wire type {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
