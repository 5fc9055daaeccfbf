"""Keys that show a NATS server who we are: looked at before the library tries them.

The library would find a missing file, or a file that is none, at every try to connect anew, and
say so in words of its own. What the keys are is never shown.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervisor.errors import UserError

if TYPE_CHECKING:
    from supervisor.fleet.nats_connection import NatsSettings

MAX_KEY_BYTES = 64 * 1024
JWT_MARK, SEED_MARK = b"BEGIN NATS USER JWT", b"BEGIN USER NKEY SEED"


def check_keys(settings: NatsSettings) -> None:
    """UserError when ``credentials`` or ``nkey`` cannot be used as what they should be."""
    if settings.credentials is not None:
        data, library = _read(settings.credentials, "credentials"), _library("credentials")
        if JWT_MARK not in data or SEED_MARK not in data:
            raise _useless("credentials", settings.credentials, "a .creds file with JWT and seed")
        rest = data.partition(SEED_MARK)[2].partition(b"\n")[2]
        seed = rest.partition(b"\n")[0].strip()
        _check_seed(library, seed, "credentials", settings.credentials)
    if settings.nkey is not None:
        data, library = _read(settings.nkey, "nkey"), _library("nkey")
        _check_seed(library, data.strip(), "nkey", settings.nkey)


def _read(path: Path, key: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_BYTES)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}",
            fix="Name a file that this user may read",
            where=f"[fleet] {key}",
        ) from error


def _library(key: str) -> Any:
    try:
        return importlib.import_module("nkeys")
    except ImportError as error:
        raise UserError(
            "the nkeys library is not installed",
            why=f"[fleet] {key} needs it",
            fix="pip install 'longwatch[nats]'",
        ) from error


def _check_seed(library: Any, seed: bytes, key: str, path: Path) -> None:
    try:
        # It wants bytes that it can overwrite.
        pair = library.from_seed(bytearray(seed))
        is_user = bytes(pair.public_key).startswith(b"U")
        pair.wipe()
    except Exception:  # noqa: BLE001 - of several libraries; what they say may hold the seed
        is_user = False
    if not is_user:
        raise _useless(key, path, "the seed of a user's key (SU…)")


def _useless(key: str, path: Path, expected: str) -> UserError:
    return UserError(
        f"{path} is not what it should be",
        why=f"expected {expected}",
        fix="Have it made anew by whoever runs the servers",
        where=f"[fleet] {key}",
    )
