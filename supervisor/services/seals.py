"""The seals of a log (``core.seal``), signed and kept outside the project.

Signed with HMAC-SHA256 (RFC 2104) under a key of this user: whoever may read that key could forge
seals, see SECURITY.md.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict
from pathlib import Path

from supervisor.config.paths import ensure_private
from supervisor.core.ids import is_run_id
from supervisor.core.seal import Seal
from supervisor.protocol.atomic import write_atomic
from supervisor.services.shared import default_directory

KEY_NAME = "seal.key"
KEY_BYTES = 32
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
MAX_SEALS = 4_000
"""About half a year of one an hour; then the older half goes."""


class Seals:
    """The seals of one log; ``log_id`` is an id of ours. Safe for one writer at a time."""

    def __init__(self, log_id: str, directory: Path | None = None) -> None:
        if not is_run_id(log_id):
            raise ValueError(f"not an id of ours: {log_id!r}")
        self._log_id = log_id
        self._directory = directory or default_directory()
        self.path = self._directory / "seals" / f"{log_id}.jsonl"

    def add(self, seal: Seal) -> None:
        """Keep one; OSError when it cannot be stored."""
        self._directory.parent.mkdir(parents=True, exist_ok=True)
        ensure_private(self._directory)
        ensure_private(self.path.parent)
        line = json.dumps({**asdict(seal), "hmac": self._signature(seal, self._make_key())})
        with os.fdopen(os.open(self.path, _APPEND, 0o600), "a", encoding="ascii") as file:
            # A torn last line is ended first, so that it costs itself alone.
            file.write(f"{line}\n" if self._ends_whole() else f"\n{line}\n")
            file.flush()
            os.fsync(file.fileno())
        self._bound()

    def read(self) -> tuple[list[Seal], int]:
        """Seals with a good signature, in order, and how many lines are none of ours."""
        try:
            key = self._key_path.read_bytes()
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return [], 0
        found = [self._checked(line, key) for line in lines if line.strip()]
        good = [seal for seal in found if seal is not None]
        return good, len(found) - len(good)

    @property
    def _key_path(self) -> Path:
        return self._directory / KEY_NAME

    def _make_key(self) -> bytes:
        try:
            return self._key_path.read_bytes()
        except FileNotFoundError:
            pass
        # By link: of two engines that begin at once the first one's key stays.
        own = self._directory / f"{KEY_NAME}.{os.getpid()}"
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(own, self._key_path)
        except FileExistsError:
            pass
        finally:
            own.unlink()
        return self._key_path.read_bytes()

    def _signature(self, seal: Seal, key: bytes) -> str:
        text = f"longwatch-seal-1\n{self._log_id}\n{seal.seq}\n{seal.hash}\n{seal.at!r}"
        return hmac.new(key, text.encode("ascii"), hashlib.sha256).hexdigest()

    def _checked(self, line: str, key: bytes) -> Seal | None:
        try:
            plain = json.loads(line)
            seal = Seal(int(plain["seq"]), str(plain["hash"]), float(plain["at"]))
            is_ours = hmac.compare_digest(self._signature(seal, key), str(plain["hmac"]))
        except (ValueError, KeyError, TypeError):
            return None
        return seal if is_ours else None

    def _ends_whole(self) -> bool:
        try:
            with self.path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1) == b"\n"
        except OSError:
            return True  # Empty or new.

    def _bound(self) -> None:
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        if len(lines) <= MAX_SEALS:
            return
        kept = "\n".join(lines[len(lines) // 2 :]) + "\n"
        write_atomic(self.path, kept.encode())
