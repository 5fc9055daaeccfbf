"""Who is in the fleet: each engine puts a card into a bucket, which forgets those that fall silent.

A card says what a machine runs and may be asked; it is for people and for ``nobody can run this``,
never for deciding who gets a task: that the shared log decides alone.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from supervisor.core.text import safe_text
from supervisor.fleet.nats_connection import CONNECT_TIMEOUT_S, NatsSettings, stream_name

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext
    from nats.js.kv import KeyValue

EVERY_S = 3.0
"""Between two cards of one machine."""
SILENT_S = 12.0
"""A machine without a new card for so long is gone, as far as anybody can tell: four missed."""
MAX_CARD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Card:
    """One machine, as it says of itself."""

    host: str
    directory: str
    version: str = ""
    protocol: int = 0
    operates: bool = False
    """Whether it can be looked at and operated through the fleet."""
    pools: Mapping[str, int] = field(default_factory=dict)
    """Workers by queue."""
    runs: Mapping[str, int] = field(default_factory=dict)
    """How many runs are in which status."""
    requests: int = 0
    """Open questions."""
    at: float = 0.0
    """When it was written, by that machine's clock. Unix seconds."""

    @property
    def key(self) -> str:
        """A machine may have several directories; each is a member of its own."""
        return key_of(self.host, self.directory)


def key_of(host: str, directory: str) -> str:
    """A word that may stand in a subject and as a key."""
    word = json.dumps([host, directory]).encode()
    return base64.urlsafe_b64encode(word).decode().rstrip("=")


def read_card(data: bytes | None) -> Card | None:
    """A card; None for what is none. What others wrote is cleaned."""
    if data is None or len(data) > MAX_CARD_BYTES:
        return None
    try:
        said = json.loads(data)
        return Card(
            host=safe_text(str(said["host"]), limit=64),
            directory=safe_text(str(said["directory"]), limit=1000),
            version=safe_text(str(said.get("version", "")), limit=40),
            protocol=int(said.get("protocol", 0)),
            operates=said.get("operates") is True,
            pools=_counts(said.get("pools")),
            runs=_counts(said.get("runs")),
            requests=int(said.get("requests", 0)),
            at=float(said.get("at", 0.0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def names_of(cards: list[Card]) -> dict[str, Card]:
    """By what people call them: the host, with the directory's name where one has several."""
    hosts = [card.host for card in cards]
    found: dict[str, Card] = {}
    for card in sorted(cards, key=lambda card: (card.host, card.directory)):
        name = card.host
        if hosts.count(name) > 1:
            name = f"{name}:{card.directory.rsplit('/', 1)[-1]}"
        while name in found:
            name += "'"
        found[name] = card
    return found


class Presence:
    """The bucket of cards."""

    def __init__(self, js: JetStreamContext, bucket: KeyValue, name: str) -> None:
        self._js, self._bucket, self._name = js, bucket, name

    @classmethod
    async def open(cls, client: Client, settings: NatsSettings) -> Presence:
        """The bucket, made if it is not there."""
        from nats.js.api import KeyValueConfig
        from nats.js.errors import BadRequestError, NotFoundError

        js = client.jetstream(timeout=CONNECT_TIMEOUT_S)
        name = f"{stream_name(settings.namespace)}_hosts"
        with suppress(NotFoundError):
            return cls(js, await js.key_value(name), name)
        config = KeyValueConfig(bucket=name, ttl=SILENT_S, history=1, replicas=settings.replicas)
        with suppress(BadRequestError):  # Somebody else made it just now.
            return cls(js, await js.create_key_value(config), name)
        return cls(js, await js.key_value(name), name)

    async def put(self, card: Card) -> None:
        """Say that this machine is there."""
        await self._bucket.put(card.key, json.dumps(asdict(card)).encode())

    async def leave(self, key: str) -> None:
        """Say that it is not, before it is missed."""
        await self._bucket.delete(key)

    async def cards(self) -> list[Card]:
        """Everybody who was heard of within ``SILENT_S``."""
        from nats.js.errors import NotFoundError

        found: list[Card] = []
        for key in await self._keys():
            with suppress(NotFoundError):  # It left between the two.
                card = read_card((await self._bucket.get(key)).value)
                if card is not None:
                    found.append(card)
        return found

    async def _keys(self) -> list[str]:
        # Asked of the stream: the library's own keys() watches, and takes what is on its way when
        # it looks whether anything is pending for an empty bucket.
        prefix = f"$KV.{self._name}."
        told = await self._js.stream_info(f"KV_{self._name}", subjects_filter=f"{prefix}>")
        return sorted(subject.removeprefix(prefix) for subject in told.state.subjects or {})


def stamped(card: dict[str, Any]) -> Card:
    """A card of now."""
    return Card(**card, at=time.time())


def _counts(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    return {safe_text(str(name), limit=80): int(count) for name, count in value.items()}
