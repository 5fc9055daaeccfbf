"""Going through another machine's door: the near end of ``--host fleet:NAME``.

A process of its own, in the place that ssh has for other machines, so that everything above is the
same for both: its standard input is a socket of ours, its errors are what the operator is told.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sys

from supervisor.errors import EnvironmentFaultError, UserError
from supervisor.fleet.door import door_subject, visit_subject
from supervisor.fleet.nats_connection import NatsSettings, connect_only
from supervisor.fleet.passage import Passage
from supervisor.fleet.presence import Card, Presence, names_of

KNOCK_TIMEOUT_S = 10.0


async def members(settings: NatsSettings) -> dict[str, Card]:
    """Who is in the fleet now, by name."""
    client = await connect_only(settings)
    try:
        return names_of(await (await Presence.open(client, settings)).cards())
    finally:
        await client.close()


async def visit(settings: NatsSettings, name: str, connection: socket.socket) -> None:
    """Join ``connection`` to the control socket of ``name``, until one side ends."""
    from nats.errors import NoRespondersError
    from nats.errors import TimeoutError as NatsTimeoutError

    client = await connect_only(settings)
    try:
        known = names_of(await (await Presence.open(client, settings)).cards())
        card = found(known, name)
        reader, writer = await asyncio.open_connection(sock=connection)
        token = secrets.token_hex(16)
        passage = Passage(
            client, reader, writer,
            ours=visit_subject(settings.namespace, token, "guest"),
            theirs=visit_subject(settings.namespace, token, "host"),
        )  # fmt: skip
        await passage.listen()
        asked = json.dumps({"visit": token}).encode()
        door = door_subject(settings.namespace, card.key)
        try:
            said = await client.request(door, asked, timeout=KNOCK_TIMEOUT_S)
        except (NoRespondersError, NatsTimeoutError):
            raise EnvironmentFaultError(
                f"{name} is on the list of the fleet, but nobody answers there",
                why="it has just gone, or is cut off from the NATS servers",
                fix="Try again in a moment, or: longwatch hosts",
            ) from None
        writer.write(said.data)
        await passage.carry()
        sys.stderr.write(f"the connection to {name} through the fleet ended\n")
    finally:
        await client.close()


def found(known: dict[str, Card], name: str) -> Card:
    """The card of ``name``; UserError that says who is there, or why nobody gets in."""
    card = known.get(name)
    if card is None:
        there = ", ".join(known) or "nobody"
        raise UserError(f"no machine of the fleet is called {name!r}", why=f"there are: {there}")
    if not card.operates:
        raise UserError(
            f"{name} takes tasks of the fleet, but is not operated through it",
            fix="Set operate = true in [fleet] of its config.toml",
        )
    return card
