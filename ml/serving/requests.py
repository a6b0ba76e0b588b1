"""`POST /recommend` and its twin on the broker: a decision that somebody asked for."""

import asyncio
import json
import uuid
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml.recommender.agenda import Trigger
from ml.recommender.record import record_of
from ml.serving.clock import Clock
from ml.serving.desk import Desk, Unrecorded
from ml.serving.people import People
from ml.serving.worker import Worker
from oo.v1 import decisions_pb2, tips_pb2
from oo_contracts.events import payload_json
from oo_contracts.ids import CONTENT_REF, USER_ID, UUID, UserId
from oo_contracts.problems import invalid_input, problem

BODY_LIMIT: Final = 64 * 1024
TIMEOUT_S: Final = 8.0

GivenUserId = Annotated[str, Field(pattern=f"^{USER_ID.pattern}$", description="A pseudonym: TENANT_RANDOM.")]
_Model = TypeVar("_Model", bound=BaseModel)
_Uuid = Annotated[str, Field(pattern=f"^{UUID.pattern}$")]
_ELSEWHERE: Final = (
    "Another process decides for this person's partition. Ask that one, or over the broker at "
    "oo.qry.recommender.recommend.PARTITION."
)
_PARKED: Final = (
    "An event of this person cannot be applied. Whoever runs oO sees it with: oo parked show recommender USER"
)
_MESSAGES: Final = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field; remove it",
    "string_pattern_mismatch": "has not the form {pattern}",
}


class RecommendRequest(BaseModel):
    """Whom to decide for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    userId: GivenUserId  # noqa: N815
    dryRun: bool = False  # noqa: N815
    requestId: _Uuid | None = None  # noqa: N815
    """The same id again is the same decision."""


class Tip(BaseModel):
    tipId: str  # noqa: N815
    kind: str
    ref: Annotated[str, Field(pattern=f"^{CONTENT_REF.pattern}$")]


class RecommendReply(BaseModel):
    """What was decided: `tip` is null where waiting was. `decision` is the record."""

    tip: Tip | None
    decision: dict[str, Any]


class ProblemError(Exception):
    """Answered as its problem at the edge."""

    def __init__(self, document: dict[str, object]) -> None:
        super().__init__(str(document["detail"]))
        self.document = document


class Recommendations:
    """Decides on request."""

    def __init__(self, people: People, worker: Worker, desk: Desk, clock: Clock) -> None:
        self._people = people
        self._worker = worker
        self._desk = desk
        self._clock = clock

    async def answer(self, body: bytes) -> RecommendReply:
        """Parses and decides. Raises ProblemError."""
        return await self.recommend(parse(body, RecommendRequest))

    async def recommend(self, wanted: RecommendRequest) -> RecommendReply:
        """Decides for a person. Raises ProblemError."""
        if not self._worker.is_ready:
            raise ProblemError(problem("unavailable", "The past is still being read. Ask again in a moment."))
        user = UserId(wanted.userId)
        if not self._people.owns(user):
            raise ProblemError(problem("unavailable", _ELSEWHERE))
        if user in self._people.parked:
            raise ProblemError(problem("unavailable", _PARKED))
        person = self._people.get(user)
        if person is None:
            raise ProblemError(problem("unknown-user", f"Nothing is known of {user}; register them first."))
        request_id = wanted.requestId or str(uuid.uuid4())
        trigger = Trigger(
            kind=decisions_pb2.TRIGGER_KIND_REQUEST,
            id=request_id,
            at=self._clock.now(),
            correlation_id=request_id,
            causation_id=request_id,
        )
        if wanted.dryRun:
            offered = await self._desk.offered(person, trigger)
            return _reply(record_of(self._desk.decide(person, trigger, offered)))
        record = person.requested.get(request_id)
        if record is None:
            record = await self._recorded(user, trigger)
        return _reply(record)

    async def _recorded(self, user: UserId, trigger: Trigger) -> decisions_pb2.DecisionRecord:
        try:
            end = await asyncio.wait_for(self._desk.request(user, trigger), TIMEOUT_S)
        except (TimeoutError, Unrecorded) as error:
            again = f"Ask again with requestId {trigger.id}: it may have been recorded."
            raise ProblemError(
                problem("unavailable", f"The decision was not recorded in time. {again}")
            ) from error
        if isinstance(end, tips_pb2.DecisionVoided):
            reason = tips_pb2.VoidReason.Name(end.reason)
            raise ProblemError(
                problem(
                    "conflict", f"The decision was made and voided: {reason}. Ask with another requestId."
                )
            )
        return end.decision


def _reply(record: decisions_pb2.DecisionRecord) -> RecommendReply:
    chosen = next((one for one in record.candidates if one.ref == record.choice), None)
    tip = None
    if chosen is not None:
        kind = "todo" if chosen.kind == decisions_pb2.TIP_KIND_TODO else "advice"
        tip = Tip(tipId=record.decision_id, kind=kind, ref=chosen.ref)
    return RecommendReply(tip=tip, decision=payload_json(record))


def parse(body: bytes, model: type[_Model]) -> _Model:
    """Raises ProblemError, which names the field."""
    if len(body) > BODY_LIMIT:
        raise ProblemError(problem("too-large", f"Send at most {BODY_LIMIT} bytes."))
    try:
        json_body = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProblemError(problem("malformed-json", "Send a JSON object.")) from error
    try:
        return model.model_validate(json_body)
    except ValidationError as error:
        raise ProblemError(invalid_input([_field(each) for each in error.errors()])) from error


def _field(error: Any) -> tuple[str, str]:
    path = ".".join(str(part) for part in error["loc"]) or "(body)"
    message = _MESSAGES.get(error["type"], error["msg"])
    return path, message.format(**error.get("ctx", {}))
