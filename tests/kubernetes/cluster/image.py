# SPDX-License-Identifier: Apache-2.0
"""The one image of the cluster: agnhost as pause and test server, busybox for who looks around.

A docker-archive, made here, so that no registry is needed.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

PAUSE = "local/pause:1"
AGNHOST = "local/agnhost:1"
FOLDERS = ("bin", "dev", "etc", "proc", "sys", "tmp", "usr", "usr/bin", "var")
FILES = {
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
COMMANDS = (
    "sh ls cat echo env grep head hostname id ip nc netstat ping ps readlink route sleep stat test "
    "traceroute true wc"
).split()


def make(target: Path, agnhost: Path, busybox: Path) -> Path:
    layer = target.with_suffix(".layer")
    with tarfile.open(layer, "w", format=tarfile.GNU_FORMAT) as tar:
        for folder in FOLDERS:
            _add(tar, folder, tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755)
        for name, text in FILES.items():
            _add(tar, name, tarfile.REGTYPE, 0o644, text.encode())
        _add_program(tar, "agnhost", agnhost)
        _add_program(tar, "bin/busybox", busybox)
        _add(tar, "bin/agnhost", tarfile.SYMTYPE, 0o777, link="/agnhost")
        for command in COMMANDS:
            _add(tar, f"bin/{command}", tarfile.SYMTYPE, 0o777, link="busybox")
    digest = _sha256(layer)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": ["PATH=/bin:/usr/bin"],
            "Entrypoint": ["/agnhost"],
            "Cmd": ["pause"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [
        {"Config": "config.json", "RepoTags": [PAUSE, AGNHOST], "Layers": ["layer/layer.tar"]}
    ]
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(layer, "layer/layer.tar", filter=_plain)
        for name, content in (("config.json", config), ("manifest.json", manifest)):
            _add(tar, name, tarfile.REGTYPE, 0o644, json.dumps(content).encode())
    layer.unlink()
    return target


def _add(
    tar: tarfile.TarFile, name: str, kind: bytes, mode: int, data: bytes = b"", link: str = ""
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
    tar.addfile(info, io.BytesIO(data))


def _add_program(tar: tarfile.TarFile, name: str, path: Path) -> None:
    def program(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.mode = 0o755
        return _plain(info)

    tar.add(path.resolve(), name, filter=program)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
