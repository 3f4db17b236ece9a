#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the API server reachable from the machine: 127.0.0.1:<some port> into a namespace.

    relay.py NETNS ADDRESS PORT PORT_FILE

It listens where it was started and connects from inside NETNS, so nothing is routed and no link of
the machine is touched. It stands alone: Python's own library only.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import threading
from pathlib import Path

CLONE_NEWNET = 0x40000000


def enter(netns: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise SystemExit(f"relay: setns {netns}: {os.strerror(ctypes.get_errno())}")
    os.close(descriptor)


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
    except OSError:
        pass
    for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        try:
            end.shutdown(how)
        except OSError:
            pass


def carry(client: socket.socket, address: tuple[str, int]) -> None:
    with client:
        try:
            server = socket.create_connection(address, timeout=10)
        except OSError:
            return
        with server:
            server.settimeout(None)
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join()


def main() -> None:
    netns, address, port, port_file = sys.argv[1:5]
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    enter(netns)
    fresh = Path(port_file + ".new")
    fresh.write_text(str(listener.getsockname()[1]))
    fresh.rename(port_file)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=carry, args=(client, (address, int(port))), daemon=True).start()


if __name__ == "__main__":
    main()
