"""Commands to the handlers of streams that are nobody's."""

import os
import time
import uuid
from typing import Any, Final

from nats.aio.client import Client

from ml.serving.broker import request
from ml.serving.past import connected
from oo_contracts.instants import instant

TIMEOUT_S: Final = 15.0


async def send(subject: str, fields: dict[str, Any], command_id: str, producer: str) -> dict[str, Any]:
    """Sends a command and gives what was recorded. The same id again is the same command.

    Raises Unanswered where nobody answers, or the answer is a problem.
    """
    client = Client()
    await connected(client, os.environ.get("OO_NATS_URL"), producer)
    at = instant(int(time.time() * 1000))
    context = {
        "commandId": command_id,
        "correlationId": str(uuid.uuid4()),
        "causationId": command_id,
        "producer": producer,
        "occurredAt": at,
        "receivedAt": at,
    }
    try:
        return await request(client, subject, {"context": context, **fields}, TIMEOUT_S)
    finally:
        await client.close()
