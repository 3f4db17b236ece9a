# SPDX-License-Identifier: Apache-2.0
"""The client side inside a namespace: connections, datagrams, pings, raw frames."""

from __future__ import annotations

import itertools
import json
import os
import select
import socket
import struct
import threading
import time

from lab.capture import Capture, checksum
from lab.servers import endpoint_text
from lab.streams import receive_stream, send_stream


class Clients:
    """One method a request of the agent; arguments and answers are JSON values."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._connections: dict[int, tuple[socket.socket, object]] = {}
        self._captures: dict[int, Capture] = {}
        self._lock = threading.Lock()

    # --- TCP -------------------------------------------------------------------------------

    def connect(self, address: str, port: int, timeout: float = 5.0, source: str = "") -> dict:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            if source:
                sock.bind((source, 0))
            sock.connect((address, port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            sock.close()
            raise
        with self._lock:
            number = next(self._ids)
            self._connections[number] = (sock, sock.makefile("rb", buffering=256 * 1024))
        return {"connection": number, "local": endpoint_text(sock.getsockname())}

    def ask(self, connection: int, count: int = 1, timeout: float = 5.0) -> dict:
        sock, reader = self._connections[connection]
        sock.settimeout(timeout)
        answers = []
        for number in range(count):
            sock.sendall(f"ASK {number}\n".encode())
            line = reader.readline(65536)
            if not line:
                raise ConnectionError(f"the server closed after {number} of {count} answers")
            answer = json.loads(line)
            if answer["text"] != str(number):
                raise ConnectionError(f"asked {number}, answered {answer['text']}")
            answers.append(answer)
        return {"answers": answers}

    def bulk(self, connection: int, direction: str, seed: int, total: int, timeout: float) -> dict:
        sock, reader = self._connections[connection]
        sock.settimeout(timeout)
        started = time.monotonic()
        if direction == "up":
            sock.sendall(f"UP {seed} {total}\n".encode())
            send_stream(sock, seed, total)
            verdict = json.loads(reader.readline(65536) or b'{"ok": false, "bytes": 0}')
        else:
            sock.sendall(f"DOWN {seed} {total}\n".encode())
            verdict = receive_stream(reader, seed, total)
        return {**verdict, "seconds": time.monotonic() - started}

    def flood(self, connection: int, seconds: float) -> dict:
        """As much as goes in that time, unchecked; ends the connection."""
        sock, reader = self._connections[connection]
        sock.settimeout(30.0)
        sock.sendall(b"COUNT\n")
        piece = os.urandom(256 * 1024)
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        counted = json.loads(reader.readline(65536))
        return {**counted, "seconds": time.monotonic() - started}

    def close(self, connection: int) -> dict:
        with self._lock:
            sock, reader = self._connections.pop(connection)
        reader.close()
        sock.close()
        return {}

    # --- UDP and ICMP ----------------------------------------------------------------------

    def udp(
        self, address: str, port: int, count: int = 1, timeout: float = 1.0, padding: int = 0
    ) -> dict:
        """Each question from the same socket, repeated up to three times as a resolver would. The
        answer repeats the question, so padding makes both large."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            sock.connect((address, port))  # answers from anyone else are not taken
            answers, repeats = [], 0
            for number in range(count):
                question = f"{number}" + "." * padding
                for attempt in itertools.count(1):
                    sock.send(question.encode())
                    try:
                        answer = json.loads(sock.recv(65536))
                    except TimeoutError:
                        repeats += 1
                        if attempt == 3:
                            raise
                        continue
                    if answer["text"] == question:
                        answers.append(answer)
                        break
            return {
                "answers": answers,
                "local": endpoint_text(sock.getsockname()),
                "repeats": repeats,
            }

    def ping(self, address: str, count: int = 1, timeout: float = 2.0) -> dict:
        identifier = (os.getpid() ^ threading.get_ident()) & 0xFFFF
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            sock.connect((address, 0))
            answered = 0
            for sequence in range(count):
                body = struct.pack("!BBHHH", 8, 0, 0, identifier, sequence) + b"sluice" * 8
                body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
                sock.send(body)
                answered += self._await_reply(sock, body[4:], time.monotonic() + timeout)
            return {"sent": count, "answered": answered}

    @staticmethod
    def _await_reply(sock: socket.socket, expected: bytes, deadline: float) -> int:
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([sock], [], [], left)[0]:
                return 0
            packet = sock.recv(65536)
            icmp = packet[(packet[0] & 15) * 4 :]
            if icmp[:1] == b"\0" and icmp[4:] == expected:
                return 1
        return 0

    # --- frames ----------------------------------------------------------------------------

    def send_frames(self, interface: str, frames: list[str]) -> dict:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
            sock.bind((interface, 0))
            for text in frames:
                sock.send(bytes.fromhex(text))
        return {"sent": len(frames)}

    def capture_start(self, interface: str) -> dict:
        capture = Capture(interface)
        capture.start()
        with self._lock:
            number = next(self._ids)
            self._captures[number] = capture
        return {"capture": number}

    def capture_stop(self, capture: int) -> dict:
        with self._lock:
            done = self._captures.pop(capture)
        done.stop()
        frames = [[seen.data.hex(), seen.outgoing] for seen in done.frames]
        return {"frames": frames, "missed": done.missed}
