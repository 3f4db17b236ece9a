# SPDX-License-Identifier: Apache-2.0
"""A PF that answers while no engine is there, as a real one's driver does: the simulated NIC's
control socket (common/api/vf_control.proto) goes with its engine."""

from __future__ import annotations

import json
import re
import socketserver
import struct
import threading

from engine_calls import encode, text_of

from lab.node import Node
from lab.shell import run

PCI_ADDRESS, WISHED_MAC, MAC = 1, 2, 3  # fields of a request, and of its answer
NO_MAC = "00:00:00:00:00:00"
IN_ALIAS = re.compile(r"(?<=admin_mac=)\S+")


class PfStandIn:
    """With it (`with`) VFs have administrative MACs and nothing else. They are kept where the
    simulated NIC keeps them, in the aliases of its representors."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._path = node.run_dir / "vf.sock"

    def __enter__(self) -> "PfStandIn":
        self._path.unlink(missing_ok=True)  # what a killed engine left
        answer = self._answer

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while size := self.rfile.read(4):
                    said = answer(self.rfile.read(*struct.unpack("!I", size)))
                    self.wfile.write(struct.pack("!I", len(said)) + said)

        self._server = socketserver.ThreadingUnixStreamServer(str(self._path), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._path.unlink()

    def _answer(self, request: bytes) -> bytes:
        link = self._representor(text_of(request, PCI_ADDRESS))
        alias = self._alias(link)
        if wish := text_of(request, WISHED_MAC):
            alias = IN_ALIAS.sub(wish, alias) if IN_ALIAS.search(alias) else f"admin_mac={wish}"
            self._ip("link", "set", link, "alias", alias)
        now = IN_ALIAS.search(alias)
        return encode(MAC, now[0] if now else NO_MAC)

    def _representor(self, address: str) -> str:
        functions = self._node.run_dir / "sysfs/bus/pci/devices"
        [virtfn] = [each for each in functions.glob("*/virtfn*") if each.readlink().name == address]
        return f"rep{virtfn.name.removeprefix('virtfn')}"

    def _alias(self, link: str) -> str:
        return json.loads(self._ip("-j", "link", "show", link))[0].get("ifalias", "")

    def _ip(self, *words: str) -> str:
        return run(["ip", *words], netns=self._node.rep_netns).stdout
