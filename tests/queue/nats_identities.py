"""Keys, tokens and signed credentials for real NATS servers, made without ``nsc``.

The formats are those of NATS: a seed is base32 of a prefix, 32 bytes and a checksum; a JWT is
signed by the key of whoever is above (operator, account), with the algorithm ``ed25519-nkey``.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from pathlib import Path
from typing import Any

import pytest

nkeys = pytest.importorskip("nkeys")


class Identity:
    """A key of one kind: operator, account or user."""

    def __init__(self, prefix: int) -> None:
        self.seed: bytes = nkeys.encode_seed(secrets.token_bytes(32), prefix)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public: str = self._pair.public_key.decode()

    def sign(self, subject: Identity, name: str, about: dict[str, Any]) -> str:
        """A JWT of ours about ``subject``."""
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        claims = {
            "jti": secrets.token_hex(8),
            "iat": int(time.time()),
            "iss": self.public,
            "name": name,
            "sub": subject.public,
            "nats": {**about, "version": 2},
        }
        told = ".".join(_coded(json.dumps(part).encode()) for part in (head, claims))
        return f"{told}.{_coded(self._pair.sign(told.encode()))}"


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def user() -> Identity:
    """A user's key."""
    return Identity(nkeys.PREFIX_BYTE_USER)


class Operator:
    """Who signs an account with JetStream, and its users."""

    def __init__(self) -> None:
        self._key = Identity(nkeys.PREFIX_BYTE_OPERATOR)
        self._account = Identity(nkeys.PREFIX_BYTE_ACCOUNT)
        self._system = Identity(nkeys.PREFIX_BYTE_ACCOUNT)

    def configuration(self) -> str:
        """Of a server that believes us."""
        none = dict.fromkeys(("subs", "conn", "leaf", "imports", "exports", "data", "payload"), -1)
        limits = {**none, "wildcards": True, "mem_storage": -1, "disk_storage": -1}
        operator = self._key.sign(self._key, "us", {"type": "operator"})
        account = self._key.sign(self._account, "fleet", {"type": "account", "limits": limits})
        system = self._key.sign(self._system, "SYS", {"type": "account", "limits": none})
        return (
            f"operator: {operator}\nresolver: MEMORY\nsystem_account: {self._system.public}\n"
            f"resolver_preload: {{ {self._account.public}: {account}\n"
            f"{self._system.public}: {system} }}\n"
        )

    def credentials(self, path: Path, **about: Any) -> Path:
        """A ``.creds`` file of a new user."""
        one = user()
        limits = {"subs": -1, "data": -1, "payload": -1}
        token = self._account.sign(one, "host", {"type": "user", **limits, **about})
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{one.seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )
        path.chmod(0o600)
        return path
