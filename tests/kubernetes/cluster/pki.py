# SPDX-License-Identifier: Apache-2.0
"""The cluster's certificates and kubeconfig files, by openssl."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lab.shell import run

DAYS = "30"


@dataclass(frozen=True)
class Certificate:
    certificate: Path
    key: Path


class Pki:
    """Everything in one folder: ca.crt, and <name>.crt with <name>.key for each `issue`d name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, mode=0o700)
        self.ca = self.pair("ca")
        self._key(self.ca.key)
        _openssl(
            "req", "-x509", "-new", "-key", self.ca.key, "-out", self.ca.certificate,
            "-subj", "/CN=sluice-cluster", "-days", DAYS,
        )  # fmt: skip
        self.accounts_key, self.accounts_public = folder / "sa.key", folder / "sa.pub"
        # Service account tokens: RSA, as every client library verifies it.
        _openssl("genrsa", "-out", self.accounts_key, "2048")
        _openssl("rsa", "-in", self.accounts_key, "-pubout", "-out", self.accounts_public)

    def issue(self, name: str, user: str, group: str = "", alt_names: str = "") -> Certificate:
        """`alt_names` as openssl writes them: "IP:10.0.0.1,DNS:host"."""
        pair = self.pair(name)
        self._key(pair.key)
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        subject = (f"/O={group}" if group else "") + f"/CN={user}"
        extensions.write_text(
            f"subjectAltName={alt_names or 'DNS:' + name}\nextendedKeyUsage=serverAuth,clientAuth\n"
        )
        _openssl("req", "-new", "-key", pair.key, "-out", request, "-subj", subject)
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.ca.certificate, "-CAkey", self.ca.key,
            "-CAcreateserial", "-out", pair.certificate, "-days", DAYS, "-extfile", extensions,
        )  # fmt: skip
        return pair

    def kubeconfig(self, target: Path, server: str, client: Certificate) -> Path:
        user = {
            "client-certificate-data": _base64(client.certificate),
            "client-key-data": _base64(client.key),
        }
        return self._kubeconfig(target, server, user)

    def token_kubeconfig(self, target: Path, server: str, token: str) -> Path:
        return self._kubeconfig(target, server, {"token": token})

    def _kubeconfig(self, target: Path, server: str, user: dict[str, str]) -> Path:
        """With everything inside, so that the file can be copied elsewhere."""
        cluster = {"server": server, "certificate-authority-data": _base64(self.ca.certificate)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sluice", "cluster": cluster}],
            "users": [{"name": "sluice", "user": user}],
            "contexts": [{"name": "sluice", "context": {"cluster": "sluice", "user": "sluice"}}],
            "current-context": "sluice",
        }
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_text(json.dumps(document, indent=1))  # JSON is YAML
        return target

    def pair(self, name: str) -> Certificate:
        return Certificate(self.folder / f"{name}.crt", self.folder / f"{name}.key")

    @staticmethod
    def _key(path: Path) -> None:
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)


def _openssl(*words: object) -> None:
    run(["openssl", *map(str, words)])


def _base64(path: Path) -> str:
    return run(["base64", "-w0", str(path)]).stdout
