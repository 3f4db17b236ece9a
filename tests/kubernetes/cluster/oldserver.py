# SPDX-License-Identifier: Apache-2.0
"""An API server as it was some releases ago: a proxy that hides the newer versions of a group.

The server itself can't: without resource.k8s.io/v1 it never gets ready.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from cluster.pki import Pki

CALL_SECONDS = 20.0


class OldServer:
    """`url` serves of `group` nothing but `version`, with the rights of the admin."""

    def __init__(self, kubeconfig: Path, group: str, version: str) -> None:
        server = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        pki = kubeconfig.parent / "pki"
        tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        tls.load_cert_chain(str(pki / "admin.crt"), str(pki / "admin.key"))
        prefix, shown = f"/apis/{group}", f"/apis/{group}/{version}/"

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path.startswith(f"{prefix}/") and not self.path.startswith(shown):
                    return self.answer(404, "text/plain", b"404 page not found\n")
                backend = http.client.HTTPSConnection(
                    urlsplit(server).netloc, timeout=CALL_SECONDS, context=tls
                )
                passed = ("Accept", "Content-Type")
                headers = {name: self.headers[name] for name in passed if name in self.headers}
                try:
                    backend.request(self.command, self.path, body, headers)
                    reply = backend.getresponse()
                    data = reply.read()
                finally:
                    backend.close()
                if urlsplit(self.path).path == prefix:
                    data = only(version, data)
                self.answer(reply.status, reply.headers["Content-Type"], data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815

            def answer(self, status: int, kind: str, data: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def only(version: str, answer: bytes) -> bytes:
    """An APIGroup with that version alone."""
    group = json.loads(answer)
    group["versions"] = [one for one in group["versions"] if one["version"] == version]
    group["preferredVersion"] = group["versions"][0]
    return json.dumps(group).encode()
