"""Which names promise a secret: of variables, of keys in JSON, of ``name=value`` in a text. Pure.

A name is read word by word, so that ``MONKEY``, ``KEYBOARD``, ``max_tokens`` and ``PWD`` stay what
they are. What a name says where the secret is (``…_FILE``, ``…_URL``) is no secret itself.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_NAME = 120
"""Characters; a longer thing is a text, not a name."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ALWAYS = frozenset(
    {
        "authorization", "bearer", "cookie", "cookies", "credential", "credentials", "dsn", "jwt",
        "passphrase", "passwd", "password", "passwords", "secret", "secrets", "token",
    }
)  # fmt: skip
_BEHIND_ANOTHER = frozenset({"auth", "key", "keys", "pass", "pat", "pwd", "tokens", "webhook"})
"""Secret at the end and behind another word: ``API_KEY``, ``DB_PASS``, not ``KEY`` or ``PWD``."""
_ENDINGS = (
    "accesskey", "accesstoken", "apikey", "authtoken", "passwd", "password", "privatekey",
    "secret", "secretkey", "token",
)  # fmt: skip
"""Of names written without a separator: ``PGPASSWORD``, ``NPMTOKEN``."""
_HARMLESS_BEFORE = frozenset(
    {
        "cache", "column", "dict", "foreign", "hot", "idempotency", "index", "json", "map",
        "partition", "primary", "public", "row", "shard", "sort", "unique",
    }
)  # fmt: skip
"""Before ``key``: what it opens is no door."""
_COUNTING = frozenset(
    {"cached", "completion", "input", "max", "min", "new", "num", "output", "prompt", "total"}
)
"""Before ``token`` and ``tokens``: those are counted."""
_ABOUT = frozenset(
    {
        "algorithm", "count", "dir", "directory", "enabled", "endpoint", "expires", "expiry",
        "file", "format", "header", "helper", "host", "issuer", "length", "limit", "max",
        "method", "min", "mode", "name", "path", "policy", "port", "prefix", "provider",
        "region", "size", "sock", "socket", "timeout", "ttl", "type", "uri", "url", "usage",
        "version",
    }
)  # fmt: skip
"""Last words of names that speak about a secret. A URL that carries one is known by its shape."""


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a value under that name is to be treated as a secret."""
    if len(name) > MAX_NAME:
        return False
    words = [word.lower() for word in _WORDS.findall(name)]
    while words and (words[-1].isdigit() or words[-1] in ("id", "value", "b", "hex", "base")):
        # AWS_ACCESS_KEY_ID, TOKEN_2, SECRET_B64: still the thing itself.
        words.pop()
    if not words or words[-1] in _ABOUT:
        return False
    before = words[-2] if len(words) > 1 else ""
    last = words[-1]
    if last in ("token", "tokens") and before in _COUNTING:
        return False
    if last in _BEHIND_ANOTHER:
        return bool(before) and before not in _HARMLESS_BEFORE
    return any(word in _ALWAYS for word in words) or last.endswith(_ENDINGS)
