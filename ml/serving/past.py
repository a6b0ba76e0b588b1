"""Everybody's recorded events, for what looks at them beside the worker: evaluation, and learning a prior."""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from os import environ
from pathlib import Path
from typing import Any, Final

from nats.aio.client import Client

from ml.recommender.skips import address_of, left_out_of
from ml.serving.broker import History, Unanswered, connect
from ml.serving.people import concerns
from ml.serving.published import read_published
from oo_contracts.envelope import STREAM_DELETED, RecordedEvent, read_address, read_envelope, read_unread
from oo_contracts.ids import UserId
from oo_contracts.streams import owner_of, streams_of

CONNECT_S: Final = 10.0

Json = dict[str, Any]


async def connected(client: Client, url: str | None, name: str) -> None:
    """Connects within `CONNECT_S`. Raises Unanswered, with what to do."""
    if not url:
        raise Unanswered("OO_NATS_URL is not given; start oO, or name a file with --events")
    reasons = list[str]()
    try:
        await asyncio.wait_for(connect(client, url, name, reasons.append), CONNECT_S)
    except TimeoutError as error:
        raise Unanswered(f"no connection to the broker ({', '.join(reasons)}); is oO running?") from error


async def envelopes_of(file: Path | None, user: UserId | None) -> AsyncIterator[Json]:
    """Envelopes of a file (one JSON a line), or of the store: of one person or of everybody. Published priors
    are made known first. Raises Unanswered.
    """
    if file is not None:
        for line in (await asyncio.to_thread(file.read_text, "utf-8")).splitlines():
            if line.strip():
                yield json.loads(line)
        return
    client = Client()
    await connected(client, environ.get("OO_NATS_URL"), "history")
    try:
        history = History(client)
        await read_published(history)
        read = 0
        pages = history.of_streams(streams_of(user)) if user else history.after(0)
        async for page in pages:
            for envelope in page:
                yield envelope
            read += len(page)
            if sys.stderr.isatty():
                print(f"\r{read} events", end="", file=sys.stderr)
    finally:
        await client.close()


async def everybody(file: Path | None, user: UserId | None = None) -> dict[UserId, list[RecordedEvent]]:
    """Events by person, each in the order of positions, and with them what operators said of them; one that
    was left out and cannot be read is there without its payload. Whose streams were deleted for good is not
    among them. Raises Unanswered, and ValueError where the recommender's worker would park the person.
    """
    by_person: dict[UserId, list[RecordedEvent]] = defaultdict(list)
    unreadable = list[tuple[UserId, RecordedEvent, str]]()
    gone = set[UserId]()
    async for envelope in envelopes_of(file, user):
        owner = owner_of(str(envelope.get("stream")))
        if owner is None or owner.user_id is None or user not in (None, owner.user_id):
            continue
        address = read_address(envelope)
        if address.type == STREAM_DELETED:
            gone.add(owner.user_id)
        if owner.user_id in gone or not concerns(address, envelope):
            continue
        try:
            by_person[owner.user_id].append(read_envelope(envelope))
        except ValueError as error:
            event = read_unread(envelope)
            by_person[owner.user_id].append(event)
            unreadable.append((owner.user_id, event, str(error)))
    for person in gone:
        by_person.pop(person, None)
    left_out = left_out_of(event for events in by_person.values() for event in events)
    for person, event, reason in unreadable:
        place = address_of(event)
        if person not in gone and place not in left_out:
            raise ValueError(f"{place}: {reason}. See: oo parked show recommender {person}")
    for events in by_person.values():
        events.sort(key=lambda event: event.position)
    return by_person
