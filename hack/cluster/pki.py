"""Certificates, made with openssl.

Two authorities: one for the cluster, one for the aggregation layer. They must differ, or any client
certificate of the cluster could pass itself off as the front proxy and name any user.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.run import run
from cluster.state import write_atomically

_DAYS = "3650"
# openssl's own configuration file would add extensions of its own.
_OPENSSL_CONFIG = "[req]\ndistinguished_name=name\n[name]\n"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, by path."""

    cert: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """Issues certificates into its folder."""

    folder: Path
    pair: Pair

    @classmethod
    def create(cls, folder: Path, name: str) -> "Authority":
        """Make an authority whose files are ``name``.crt and .key in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        extensions = ("basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign,digitalSignature")
        return cls(folder, _create(folder, name, f"/CN=ragops-{name}", extensions))

    def server(self, name: str, hosts: Sequence[str]) -> Pair:
        """A certificate for servers; a host is ``DNS:...`` or ``IP:...``."""
        extensions = ("extendedKeyUsage=serverAuth", f"subjectAltName={','.join(hosts)}")
        return _create(self.folder, name, f"/CN={name}", extensions, self.pair)

    def client(self, name: str, user: str, groups: Sequence[str] = ()) -> Pair:
        """A certificate with which a client is ``user`` in ``groups``."""
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        return _create(self.folder, name, subject, ("extendedKeyUsage=clientAuth",), self.pair)


def signing_keys(folder: Path, name: str) -> None:
    """Make the key ``name``.key that signs service account tokens, and ``name``.pub that checks them."""
    key = folder / f"{name}.key"
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", key])
    run(["openssl", "pkey", "-in", key, "-pubout", "-out", folder / f"{name}.pub"])


def _create(
    folder: Path, name: str, subject: str, extensions: Sequence[str], issuer: Pair | None = None
) -> Pair:
    config = folder / "openssl.cnf"
    if not config.exists():
        write_atomically(config, _OPENSSL_CONFIG)
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    signed_by = ("-CA", issuer.cert, "-CAkey", issuer.key) if issuer else ()
    run(
        [
            *("openssl", "req", "-x509", "-config", config, "-days", _DAYS, "-subj", subject),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", pair.key, "-out", pair.cert, *signed_by),
            *(part for extension in extensions for part in ("-addext", extension)),
        ]
    )
    return pair


def kubeconfig(path: Path, server: str, authority: Path, user: Pair | str) -> Path:
    """Write a kubeconfig (JSON, which is YAML) for a client certificate or a bearer token."""
    credentials = (
        {"token": user}
        if isinstance(user, str)
        else {"client-certificate-data": _base64(user.cert), "client-key-data": _base64(user.key)}
    )
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "ragops",
                "cluster": {"server": server, "certificate-authority-data": _base64(authority)},
            }
        ],
        "users": [{"name": "ragops", "user": credentials}],
        "contexts": [{"name": "ragops", "context": {"cluster": "ragops", "user": "ragops"}}],
        "current-context": "ragops",
    }
    write_atomically(path, json.dumps(content, indent=2) + "\n")
    return path


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
