# SPDX-License-Identifier: Apache-2.0
"""The servers inside a pod: they answer with their own name and the peer's address as they see it.

TCP, one line a request: `ASK <text>`, `UP <seed> <bytes>` (the client sends that stream),
`DOWN <seed> <bytes>` (the server does), `COUNT` (counts bytes until the client half-closes),
`GET …` (HTTP, so that curl works too). UDP: any datagram.
"""

from __future__ import annotations

import json
import socket
import threading

from lab.streams import receive_stream, send_stream

IDLE_SECONDS = 120.0


def endpoint_text(address: tuple) -> str:
    return f"{address[0]}:{address[1]}"


class Servers:
    def __init__(self, name: str) -> None:
        self.name = name
        self._ports: set[tuple[str, int]] = set()

    def serve(self, proto: str, port: int) -> None:
        """Bound to every address of both families; serving twice what is served is fine."""
        if (proto, port) in self._ports:
            return
        for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
            sock = socket.socket(family, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((any_address, port))
            if proto == "tcp":
                sock.listen(256)
            target = self._accept if proto == "tcp" else self._datagrams
            threading.Thread(target=target, args=(sock,), daemon=True).start()
        self._ports.add((proto, port))

    def _introduction(self, local: tuple, peer: tuple, text: str) -> bytes:
        me = {"name": self.name, "peer": endpoint_text(peer), "local": endpoint_text(local)}
        return json.dumps({**me, "text": text}).encode() + b"\n"

    def _accept(self, listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=self._connection, args=(sock,), daemon=True).start()

    def _connection(self, sock: socket.socket) -> None:
        try:
            with sock, sock.makefile("rb", buffering=256 * 1024) as reader:
                sock.settimeout(IDLE_SECONDS)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while line := reader.readline(4096):
                    if not self._request(sock, reader, line.decode(errors="replace").split()):
                        return
        except (OSError, ValueError, IndexError):
            return  # the peer's mistake or its end; the listener goes on

    def _request(self, sock: socket.socket, reader, words: list[str]) -> bool:
        verb = words[0] if words else ""
        hello = self._introduction(sock.getsockname(), sock.getpeername(), " ".join(words[1:]))
        if verb == "ASK":
            sock.sendall(hello)
        elif verb == "UP":
            verdict = receive_stream(reader, int(words[1]), int(words[2]))
            sock.sendall(json.dumps(verdict).encode() + b"\n")
        elif verb == "DOWN":
            send_stream(sock, int(words[1]), int(words[2]))
        elif verb == "COUNT":
            total = 0
            while got := reader.read1(1 << 20):
                total += len(got)
            sock.sendall(json.dumps({"bytes": total, "name": self.name}).encode() + b"\n")
            return False
        elif verb == "GET":
            head = (
                "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(hello)}\r\n\r\n"
            )
            while reader.readline(4096).strip():
                pass
            sock.sendall(head.encode() + hello)
            return False
        else:
            return False
        return True

    def _datagrams(self, sock: socket.socket) -> None:
        while True:
            try:
                data, peer = sock.recvfrom(65536)
                # The local address of an unconnected socket is the wildcard; the port is enough.
                reply = self._introduction(sock.getsockname(), peer, data.decode(errors="replace"))
                sock.sendto(reply, peer)
            except OSError:
                continue  # an ICMP error of an earlier answer
