#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Process 1 of a node: makes the node's own root, then starts and ends programs when asked.

    nodeinit.py ROOT_PLAN CONTROL_SOCKET

It runs in a mount and process namespace of its own (and the node's network namespace). When it
dies the kernel kills everything in the node, containers included, and the mounts go with it: that
is how a node disappears, whoever dies first.

The control socket takes one JSON line a connection and answers with one:
    {"op": "start", "name", "command", "env", "log"}   {"op": "signal", "name", "number"}
    {"op": "list"}
It stands alone: the node's first process imports nothing but Python's own library.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from pathlib import Path

LONGEST_REQUEST = 1 << 20


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"nodeinit: mount {' '.join(arguments)}: {done.stderr.strip()}")


def copy_level(source: Path, target: Path, without: set[str]) -> None:
    """Shows the entries of one folder of the machine in a folder of ours, but for some."""
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if entry.name in without:
            continue
        if entry.is_symlink():
            place.symlink_to(os.readlink(entry))
        elif entry.is_dir():
            place.mkdir()
            mount("--rbind", str(entry), str(place))


def compose_root(plan: dict) -> None:
    """A root on a tmpfs: the machine's folders, but a /run, /var/log and some of /var/lib of the
    node's own, so that every program finds its usual paths and nothing of the machine's is used."""
    new = Path(plan["mount_point"])
    mount("-t", "tmpfs", "-o", "mode=0755,size=16m", "sluice-node", str(new))
    copy_level(Path("/"), new, {"proc", "sys", "run", "var", "lost+found"})
    binds, volumes = plan["binds"], plan["tmpfs"]
    own = [Path(path) for path in (*binds, *volumes)]
    (new / "var").mkdir()
    copy_level(Path("/var"), new / "var", {"lib", "run", "lock", *_names_below("/var", own)})
    (new / "var/lib").mkdir()
    copy_level(Path("/var/lib"), new / "var/lib", set(_names_below("/var/lib", own)))
    (new / "var/run").symlink_to("/run")
    (new / "var/lock").symlink_to("/run/lock")
    for name in ("proc", "sys"):
        (new / name).mkdir()
    mount("-t", "proc", "proc", str(new / "proc"))
    # A new sysfs shows this network namespace's devices; the cgroups stay the machine's.
    mount("-t", "sysfs", "sysfs", str(new / "sys"))
    if Path("/sys/fs/cgroup").is_dir():
        mount("--rbind", "/sys/fs/cgroup", str(new / "sys/fs/cgroup"))
    (new / "run").mkdir()
    mount("-t", "tmpfs", "-o", "mode=0755", "sluice-run", str(new / "run"))
    (new / "run/lock").mkdir()
    for path, size in volumes.items():
        place = _below(new, path)
        place.mkdir(parents=True)
        mount("-t", "tmpfs", "-o", f"mode=0711,size={size}", "sluice-volume", str(place))
    for path, source in binds.items():
        place = _below(new, path)
        if not place.is_dir():
            place.mkdir(parents=True)
        mount("--rbind", source, str(place))
    os.chdir(new)
    subprocess.run(["pivot_root", ".", "."], check=True)
    subprocess.run(["umount", "-l", "."], check=True)
    os.chdir("/")


def _names_below(folder: str, paths: list[Path]) -> list[str]:
    return [path.name for path in paths if str(path.parent) == folder]


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


class Programs:
    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.ended: dict[str, int] = {}

    def start(self, name: str, command: list[str], env: dict[str, str], log: str) -> dict:
        if name in self.running:
            return {"error": f"{name} runs already, as process {self.running[name]}"}
        with open(log, "ab") as output:
            try:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, **env},
                    start_new_session=True,
                )
            except OSError as error:
                return {"error": f"{command[0]}: {error.strerror}"}
        child.returncode = 0  # `reap` waits for all of them; Popen must not
        self.running[name] = child.pid
        self.ended.pop(name, None)
        return {"pid": child.pid}

    def signal(self, name: str, number: int) -> dict:
        if name not in self.running:
            return {"error": f"{name} does not run"}
        os.kill(self.running[name], number)
        return {}

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for name, known in list(self.running.items()):
                if known == pid:
                    self.ended[name] = os.waitstatus_to_exitcode(status)
                    del self.running[name]

    def answer(self, request: dict) -> dict:
        if request["op"] == "start":
            wanted = (request["name"], request["command"], request["env"], request["log"])
            return self.start(*wanted)
        if request["op"] == "signal":
            return self.signal(request["name"], request["number"])
        if request["op"] == "list":
            return {"running": self.running, "ended": self.ended}
        return {"error": f"no such op: {request['op']!r}"}


def read_line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) < LONGEST_REQUEST:
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data


def serve(listener: socket.socket) -> None:
    programs = Programs()
    awake, waker = socket.socketpair()
    for end in (awake, waker):
        end.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(awake, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is awake:
                awake.recv(4096)
                programs.reap()
                continue
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                try:
                    programs.reap()
                    reply = programs.answer(json.loads(read_line(connection)))
                except (OSError, ValueError, KeyError) as error:
                    reply = {"error": f"{type(error).__name__}: {error}"}
                try:
                    connection.sendall(json.dumps(reply).encode() + b"\n")
                except OSError:
                    pass  # whoever asked has gone


def main() -> None:
    plan, control = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
    compose_root(plan)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(control)  # appears when the node's root is ready
    listener.listen(16)
    serve(listener)


if __name__ == "__main__":
    main()
