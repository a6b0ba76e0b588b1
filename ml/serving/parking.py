"""What operators ask about people who are parked: over the broker, at the person's partition."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from ml.serving.broker import Unanswered
from ml.serving.people import Parked, People
from ml.serving.requests import GivenUserId, ProblemError, parse
from ml.serving.worker import Worker
from oo_contracts.ids import UserId
from oo_contracts.instants import instant
from oo_contracts.partition import partition_of
from oo_contracts.problems import invalid_input, problem

LISTED: Final = 100
"""Most people of a partition in one answer: it has to fit into a message, whatever a build cannot read."""
IN_LIST: Final = 300
"""Characters of an error in a list."""
WHOLE: Final = 20_000
"""Characters of an error where one person is asked for."""


class ParkedQuestion(BaseModel):
    """All of a partition, or one person of it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    userId: GivenUserId | None = None  # noqa: N815


class RetryRequest(BaseModel):
    """Whose events are to be applied again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    userId: GivenUserId  # noqa: N815


class Parking:
    """Answers for the partitions of this process."""

    def __init__(self, people: People, worker: Worker) -> None:
        self._people = people
        self._worker = worker

    async def parked(self, partition: int, body: bytes) -> dict[str, Any]:
        """Who of a partition is parked, in the order of the store, and up to where it is known. Raises
        ProblemError.
        """
        wanted = parse(body, ParkedQuestion)
        self._be_ready()
        if wanted.userId is not None:
            _be_of(partition, wanted.userId)
            found = self._of(UserId(wanted.userId))
            return self._reply([] if found is None else [found], 0 if found is None else 1)
        all_of_it = sorted(
            (
                (user, parked)
                for user, parked in self._people.parked.items()
                if partition_of(user) == partition
            ),
            key=lambda one: one[1].event.position,
        )
        return self._reply([_told(*one, IN_LIST) for one in all_of_it[:LISTED]], len(all_of_it))

    async def retry(self, partition: int, body: bytes) -> dict[str, Any]:
        """Folds a parked person anew; answers with how many events it took, and where they wait now. Raises
        ProblemError.
        """
        user = UserId(parse(body, RetryRequest).userId)
        self._be_ready()
        _be_of(partition, user)
        try:
            applied = await self._worker.retry(user)
        except Unanswered as error:
            detail = f"The person's events cannot be read: {error}. Try again in a moment."
            raise ProblemError(problem("unavailable", detail)) from error
        return {"applied": applied, "parked": self._of(user)}

    def _of(self, user: UserId) -> dict[str, Any] | None:
        parked = self._people.parked.get(user)
        return None if parked is None else _told(user, parked, WHOLE)

    def _reply(self, parked: list[dict[str, Any]], total: int) -> dict[str, Any]:
        return {"position": str(max(0, self._worker.position)), "parked": parked, "total": total}

    def _be_ready(self) -> None:
        if not self._worker.is_ready:
            raise ProblemError(problem("unavailable", "The past is still being read. Ask again in a moment."))


def _be_of(partition: int, user: str) -> None:
    if partition_of(UserId(user)) != partition:
        raise ProblemError(invalid_input([("userId", f"is not of partition {partition}")]))


def _told(user: UserId, parked: Parked, characters: int) -> dict[str, Any]:
    return {
        "userId": user,
        "stream": parked.event.stream,
        "revision": str(parked.event.revision),
        "position": str(parked.event.position),
        "type": parked.event.type,
        "eventId": parked.event.id,
        "recordedAt": None if parked.recorded_at is None else instant(parked.recorded_at),
        "behind": parked.behind,
        "error": parked.error[:characters],
    }
