# SPDX-License-Identifier: Apache-2.0
"""The API server by kubectl and JSON; every wait is bounded and says what it saw."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Callable

from lab.shell import LabError, run, wait_until

CALL_SECONDS = 30.0
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.25


class Kubectl:
    def __init__(self, program: Path, kubeconfig: Path, namespace: str = "default") -> None:
        self.program = program
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def within(self, namespace: str) -> "Kubectl":
        return Kubectl(self.program, self.kubeconfig, namespace)

    def process(
        self, *words: str, stdin: str | None = None, timeout: float = CALL_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        command = [
            str(self.program), "--kubeconfig", str(self.kubeconfig),
            "--cache-dir", str(self.kubeconfig.with_suffix(".cache")),
            "--namespace", self.namespace, f"--request-timeout={timeout:.0f}s", *words,
        ]  # fmt: skip
        return run(command, stdin=stdin, timeout=timeout + 5, check=False)

    def __call__(
        self, *words: str, stdin: str | None = None, timeout: float = CALL_SECONDS
    ) -> str:
        done = self.process(*words, stdin=stdin, timeout=timeout)
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip() or "nothing"
            raise LabError(f"kubectl {' '.join(words)} ended with {done.returncode}: {said}")
        return done.stdout

    def get(self, *words: str) -> dict:
        return json.loads(self("get", *words, "-o", "json"))

    def items(self, kind: str, selector: str = "") -> list[dict]:
        return self.get(kind, *(["-l", selector] if selector else []))["items"]

    def apply(self, *documents: dict) -> None:
        if documents:
            body = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
            self("apply", "--server-side", "-f", "-", stdin=json.dumps(body))

    def delete(self, *words: str, timeout: float = WAIT_SECONDS) -> None:
        """Returns when the objects are gone."""
        self("delete", "--ignore-not-found", "--wait=true", *words, timeout=timeout)

    def exec(self, pod: str, *command: str, timeout: float = CALL_SECONDS) -> str:
        return self("exec", pod, "--", *command, timeout=timeout)

    def wait(
        self,
        what: str,
        condition: Callable[[], object],
        timeout: float = WAIT_SECONDS,
        why_not: Callable[[], str] = lambda: "",
    ) -> object:
        """Like lab.shell.wait_until; when it was in vain, pods and events are told."""

        def saw() -> str:
            return "\n".join(part for part in (why_not(), self.picture()) if part)

        return wait_until(what, condition, timeout, POLL_SECONDS, saw)

    def picture(self) -> str:
        """Pods and the last events of the namespace, for an error message."""
        parts = []
        for words in (("get", "pods", "-o", "wide"), ("events",)):
            done = self.process(*words)
            lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
            parts += [f"      {line}" for line in [*lines[:1], *lines[1:][-25:]]]
        return "\n".join(parts)


def is_ready(thing: dict) -> bool:
    """A Pod's or a Node's condition Ready; a pod that is on its way out is not."""
    if thing["metadata"].get("deletionTimestamp"):
        return False
    conditions = thing.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
