# SPDX-License-Identifier: Apache-2.0
"""The program that stands for a pod's containers: servers and clients, told what to do by lines.

stdin: {"id": 1, "op": "connect", "args": {…}} a line; stdout: {"id": 1, "ok": {…}} or
{"id": 1, "error": "ConnectionRefusedError: …", "errno": 111, "timeout": false}, in any order. Ends
with stdin; with --linger it goes on serving, for a lab that is left up.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading

from lab.clients import Clients
from lab.servers import Servers


class Agent:
    def __init__(self, name: str) -> None:
        servers, clients = Servers(name), Clients()
        self._operations = {
            "serve": lambda proto, port: servers.serve(proto, port) or {},
            **{
                op: getattr(clients, op)
                for op in (
                    "connect", "ask", "bulk", "flood", "close", "udp", "ping",
                    "send_frames", "capture_start", "capture_stop",
                )
            },
        }  # fmt: skip
        self._write = threading.Lock()

    def answer(self, request: dict) -> None:
        reply: dict[str, object] = {"id": request["id"]}
        try:
            reply["ok"] = self._operations[request["op"]](**request.get("args", {}))
        except OSError as error:
            reply["error"] = f"{type(error).__name__}: {error}"
            reply["errno"] = error.errno or 0
            reply["timeout"] = isinstance(error, TimeoutError)
        except Exception as error:  # the lab reports it; the pod's servers must live on
            reply["error"] = f"{type(error).__name__}: {error}"
        with self._write:
            try:
                print(json.dumps(reply), flush=True)
            except OSError:
                pass  # nobody listens any more


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--linger", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    agent = Agent(options.name)
    for line in sys.stdin:
        request = json.loads(line)
        threading.Thread(target=agent.answer, args=(request,), daemon=True).start()
    while options.linger:
        signal.pause()
    # Without a word to threads that still wait in a socket: nothing here outlives the lab.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
