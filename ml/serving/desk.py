"""Where decisions are made: one of a person at a time, each until it is recorded."""

import asyncio
import contextlib
import heapq
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from logging import Logger
from typing import Final
from weakref import WeakSet

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import APIError, NotFoundError

from ml.recommender.agenda import Trigger
from ml.recommender.catalogue import Advice
from ml.recommender.decide import Decision, decide, prepare, unavailability
from ml.recommender.fatigue import Planned
from ml.recommender.person import ENDS, Person
from ml.recommender.policy import Policy
from ml.recommender.prior import Prior
from ml.recommender.record import record_of
from ml.recommender.shortlist import shortlist
from ml.recommender.skips import address_of
from ml.serving.broker import History, Unanswered
from ml.serving.candidates import Candidates
from ml.serving.clock import Clock
from ml.serving.people import People
from oo.v1 import candidates_pb2, decisions_pb2, tips_pb2
from oo_contracts.envelope import RecordedEvent, read_address, read_envelope
from oo_contracts.events import payload_json
from oo_contracts.ids import DecisionId, UserId, decision_id_of, record_command_id_of, tenant_of
from oo_contracts.streams import stream_of
from oo_contracts.subjects import PROPOSALS_STREAM, proposal_subject

AT_ONCE: Final = 64
"""People who are decided for at the same time."""
END_S: Final = 2.0
"""How long a proposal is waited for before it is sent again, the first time; then longer, up to LONGEST_S."""
LONGEST_S: Final = 15.0
SENDS_BEFORE_A_LOOK: Final = 2
"""After so many proposals without an end, and again after as many more, the end is looked for in the past."""
REQUESTS_KEPT: Final = 1_000
"""Newest ends of decisions that were asked for, of everybody, for those who ask again."""
TRACES: Final = 10_000
"""Newest events whose trace context is kept, for proposals to go on with."""
TRACEPARENT: Final = "traceparent"

PAUSE_S: Final = 0.25
"""After a proposal that could not be sent."""
REMAKE_AFTER_S: Final = 5.0
"""For so long the broker may answer questions and store no proposal; then the stream is deleted."""

Offered = list[candidates_pb2.CandidateItem]

End = tips_pb2.TipProposed | tips_pb2.TipWithheld | tips_pb2.DecisionVoided
"""How a decision ends."""


class Unrecorded(RuntimeError):
    """A decision that was asked for has no end, and will have none."""


@dataclass(slots=True)
class _Request:
    trigger: Trigger
    end: asyncio.Future[End] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    waiting: int = 0
    """How many still wait for the end."""


class Desk:
    """Makes the decisions that are due.

    A decision counts once its end is in the person's events; until then its proposal is sent again. The first
    that is recorded of an id wins, so that sending twice does no harm.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        candidates: Candidates,
        advices: Sequence[Advice],
        policy: Policy,
        prior: Prior,
        log: Logger,
    ) -> None:
        self._stream = client.jetstream()
        self._manager = client.jsm()
        self._history = History(client, END_S)
        self._clock = clock
        self._candidates = candidates
        self._advices = advices
        self._policy = policy
        self._prior = prior
        self._log = log
        self._people: People | None = None
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[UserId, asyncio.Task[None]] = {}
        self._ends: dict[DecisionId, asyncio.Future[End | None]] = {}
        """Whose end is waited for; None where it was left out."""
        self._requests: dict[UserId, dict[DecisionId, _Request]] = {}
        """What was asked for and has not ended, in the order of asking; the first may be under way."""
        self._requested: dict[DecisionId, tuple[UserId, End]] = {}
        """How decisions that were asked for ended, and whose they were, the newest last. Beside the people's
        states: no decision depends on it.
        """
        self._moments: list[tuple[int, UserId]] = []
        self._scheduled: dict[UserId, int] = {}
        self._moments_changed = asyncio.Event()
        self._prepared: WeakSet[Planned] = WeakSet()
        self._unprepared: dict[UserId, None] = {}
        """Whose events were folded since it was looked whether their next decision asks for a new plan."""
        self._has_unprepared = asyncio.Event()
        self._failure = ""
        self._traces: dict[str, str] = {}
        self._unstored_since: float | None = None

    def start_from(self, prior: Prior) -> None:
        """The prior that states are folded from. To be called before it is opened."""
        self._prior = prior

    def open(self, people: People) -> None:
        """Starts deciding for these people: their states are as new as the store."""
        self._people = people
        for user in list(people):
            self.wake(user)

    def close(self) -> None:
        """Stops beginning new decisions: the states are behind the store."""
        self._people = None

    @property
    def is_idle(self) -> bool:
        """Nothing is being decided, and nothing is due."""
        moment_over = bool(self._moments) and self._moments[0][0] <= self._clock.now()
        return self._people is not None and not self._tasks and not moment_over

    def folded(self, user: UserId, event: RecordedEvent) -> None:
        """An event was folded into the person's state."""
        if isinstance(event.data, End):
            self._ended(user, event.data)
        elif event.type in ENDS:
            self._left_out(event)
        if event.metadata.traceparent is not None:
            self._traces[event.id] = event.metadata.traceparent
            if len(self._traces) > TRACES:
                del self._traces[next(iter(self._traces))]
        self.wake(user)
        if self._people is not None:
            self._unprepared[user] = None
            self._has_unprepared.set()

    def forget(self, user: UserId) -> None:
        """The person has left."""
        for decision_id in [each for each, (whose, _) in self._requested.items() if whose == user]:
            del self._requested[decision_id]
        self._unprepared.pop(user, None)

    @property
    def ends(self) -> list[tuple[UserId, End]]:
        """How the last decisions that were asked for ended, and whose they were, the newest last."""
        return list(self._requested.values())

    def traces_of(self, person: Person) -> dict[str, str]:
        """The trace contexts of what is due for the person, or will be."""
        known = ((trigger_id, self._traces.get(trigger_id)) for trigger_id in person.agenda.triggers)
        return {trigger_id: trace for trigger_id, trace in known if trace is not None}

    def restore(self, ends: Iterable[tuple[UserId, End]], traces: Mapping[str, str]) -> None:
        """What it had been told of before. To be called before it is opened."""
        for user, end in ends:
            self._ended(user, end)
        self._traces.update(traces)

    def wake(self, user: UserId) -> None:
        """Looks whether something is due for a person."""
        if self._people is None or user in self._tasks:
            return
        person = self._people.get(user)
        if person is None:
            return
        if person.agenda.due(self._clock.now()) or self._requests.get(user):
            self._tasks[user] = asyncio.create_task(self._serve(user))
        else:
            self._schedule(user, person.agenda.next_moment(self._clock.now()))

    async def run(self) -> None:
        """Wakes people at their moments. Runs until it is cancelled."""
        while True:
            now = self._clock.now()
            while self._moments and self._moments[0][0] <= now:
                _, user = heapq.heappop(self._moments)
                self._scheduled.pop(user, None)
                self.wake(user)
            self._moments_changed.clear()
            waits = [
                asyncio.ensure_future(self._clock.wait_until(self._moments[0][0] if self._moments else None)),
                asyncio.ensure_future(self._moments_changed.wait()),
            ]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def prepare(self) -> None:
        """Makes the plans that next decisions ask for, one after another, once for each state that is planned
        from: what an answer changed is then at hand when the next decision is due. While it is not live there
        is nobody to prepare for, so that a start plans for nobody. Runs until it is cancelled.
        """
        while True:
            await self._has_unprepared.wait()
            while self._unprepared:
                user = next(iter(self._unprepared))
                del self._unprepared[user]
                person = self._people.get(user) if self._people is not None else None
                planned = person.fatigue.planned if person is not None else None
                if person is not None and planned is not None and planned not in self._prepared:
                    self._prepared.add(planned)
                    try:
                        prepare(person, self._policy)
                    except Exception:
                        # A bug in what one person's decision asks for shows in that decision, and ends no
                        # one else's.
                        self._log.exception("a decision could not be prepared", extra={"userId": user})
                # Everything else goes first.
                await asyncio.sleep(0)
            self._has_unprepared.clear()

    async def offered(self, person: Person, trigger: Trigger) -> Offered:
        """What the integrations service has for a person; nobody is asked where nothing may be said."""
        if unavailability(person, trigger, self._policy):
            return []
        return await self._candidates.of(person.user, trigger.at)

    async def request(self, user: UserId, trigger: Trigger) -> End:
        """Decides as soon as the person's other decisions are done, and returns what was recorded. What was
        asked for before is the same decision: it has its end, or is waited for together.
        """
        kind = decisions_pb2.TriggerKind.Name(trigger.kind)
        decision_id = decision_id_of(user, kind, trigger.id)
        known = self._requested.get(decision_id)
        if known is not None:
            return known[1]
        requests = self._requests.setdefault(user, {})
        request = requests.get(decision_id)
        if request is None:
            request = requests[decision_id] = _Request(trigger)
        elif not request.waiting and decision_id not in self._ends:
            # Given up before its turn: its time is long over.
            request.trigger = trigger
        request.waiting += 1
        try:
            self.wake(user)
            return await asyncio.shield(request.end)
        finally:
            request.waiting -= 1

    async def _serve(self, user: UserId) -> None:
        try:
            async with self._at_once:
                while await self._next(user):
                    pass
        except Exception:
            # A bug in one decision must not end those of others; the point stays open and shows in the
            # progress.
            self._log.exception("a decision failed", extra={"userId": user})
            await asyncio.sleep(LONGEST_S)
        finally:
            del self._tasks[user]
            self.wake(user)

    async def _next(self, user: UserId) -> bool:
        """Brings the person's next decision to its end; False where nothing is due."""
        person = self._people.get(user) if self._people is not None else None
        if person is None:
            return False
        due = person.agenda.due(self._clock.now())
        if due:
            await self._bring_to_end(user, *due[0])
            return True
        requests = self._requests.get(user)
        if not requests:
            self._requests.pop(user, None)
            return False
        decision_id, request = next(iter(requests.items()))
        try:
            known = self._requested.get(decision_id)
            end = None if known is None else known[1]
            if end is None and request.waiting:
                end = await self._bring_to_end(user, decision_id, request.trigger, request)
            if end is not None:
                request.end.set_result(end)
            elif request.waiting:
                request.end.set_exception(Unrecorded("the person has left, or waits for another build"))
        finally:
            del requests[decision_id]
        return True

    async def _bring_to_end(
        self, user: UserId, decision_id: DecisionId, trigger: Trigger, request: _Request | None = None
    ) -> End | None:
        """None where it has no end, and nobody to wait for it: the person is gone, or whoever asked. So it is
        where its end was left out.

        What nobody waits for any more may have been sent. Its proposal then lies in the stream before all
        later ones of the person, and the tips service makes it a fact or voids it in its turn; that is folded
        like every event, and is the answer when the same is asked again. If it was not stored, nothing has
        happened, and it is made when it is asked again. What the agenda holds stays due until it has an end.
        """
        end = self._ends[decision_id] = asyncio.get_running_loop().create_future()
        try:
            person = self._people.get(user) if self._people is not None else None
            if person is None:
                return None
            offered = await self.offered(person, trigger)
            # Events may have come while the providers were asked.
            person = self._people.get(user) if self._people is not None else None
            if person is None or end.done():
                return end.result() if end.done() else None
            body = self._proposal(user, trigger, self.decide(person, trigger, offered))
            attempt, patience = 0, END_S
            while not end.done() and self._people is not None and self._people.get(user) is not None:
                if request is not None and not request.waiting:
                    break
                await self._publish(user, f"{decision_id}:{attempt}", body, self._traces.get(trigger.id))
                await asyncio.wait([end], timeout=patience)
                attempt, patience = attempt + 1, min(LONGEST_S, patience * 1.5)
                if attempt % SENDS_BEFORE_A_LOOK == 0 and not end.done():
                    await self._look_for_end(user, decision_id)
            return end.result() if end.done() else None
        finally:
            self._ends.pop(decision_id, None)
            end.cancel()

    async def _look_for_end(self, user: UserId, decision_id: DecisionId) -> None:
        """An end that was folded before it was waited for is not told again, whatever is proposed: it is in
        the past. One that is not folded yet will be, and ends the decision then.
        """
        person = self._people.get(user) if self._people is not None else None
        if person is None:
            return
        stream = stream_of("tips", user)
        try:
            async for page in self._history.of_streams([stream]):
                for envelope in page:
                    address = read_address(envelope)
                    if address.revision > person.revisions.get(stream, -1):
                        return
                    if address.type not in ENDS or address_of(address) in person.left_out:
                        continue
                    data = read_envelope(envelope).data
                    if isinstance(data, End) and _decided(data)[0] == decision_id:
                        self._ended(user, data)
                        return
        except (Unanswered, ValueError) as error:
            # It is looked for again.
            self._log.debug("an end cannot be looked for", extra={"reason": str(error)})

    def decide(self, person: Person, trigger: Trigger, offered: Offered) -> Decision:
        """One decision on the person's state as it is now; nothing is recorded."""
        kind = decisions_pb2.TriggerKind.Name(trigger.kind)
        return decide(
            person,
            trigger,
            shortlist(person, trigger.at, offered, self._advices, self._policy),
            self._policy,
            self._prior,
            decision_id_of(person.user, kind, trigger.id),
        )

    def _proposal(self, user: UserId, trigger: Trigger, decision: Decision) -> bytes:
        proposal = decisions_pb2.Proposal(
            user_id=user,
            tenant_id=tenant_of(user),
            correlation_id=trigger.correlation_id,
            causation_id=trigger.causation_id,
            decision=record_of(decision),
        )
        return json.dumps(payload_json(proposal), separators=(",", ":")).encode()

    async def _publish(self, user: UserId, message_id: str, body: bytes, trace: str | None) -> None:
        try:
            await self._stream.publish(
                proposal_subject(user),
                body,
                timeout=END_S,
                stream=PROPOSALS_STREAM,
                headers={"Nats-Msg-Id": message_id} | ({} if trace is None else {TRACEPARENT: trace}),
            )
            self._failure = ""
            self._unstored_since = None
        except (NatsError, OSError, TimeoutError) as error:
            reason = type(error).__name__
            if reason != self._failure:
                self._log.warning("a proposal could not be sent; it is tried again", extra={"reason": reason})
            self._failure = reason
            await self._remake_if_unstored(error)
            await asyncio.sleep(PAUSE_S)

    async def _remake_if_unstored(self, error: Exception) -> None:
        """nats-server stores nothing more in a stream whose disk was full, until it is started again, and
        acknowledges nothing. Whoever reads the stream makes it again, and what was in it is sent again.
        """
        if not await self._is_unstored(error):
            self._unstored_since = None
            return
        now = asyncio.get_running_loop().time()
        if self._unstored_since is None:
            self._unstored_since = now
        if now - self._unstored_since < REMAKE_AFTER_S:
            return
        self._unstored_since = None
        with contextlib.suppress(NotFoundError, NatsError, OSError, TimeoutError):
            await self._manager.delete_stream(PROPOSALS_STREAM)
            self._log.warning("the broker stored no proposal any more; its stream was deleted")

    async def _is_unstored(self, error: Exception) -> bool:
        """The broker refused, or was silent about the proposal alone."""
        if isinstance(error, APIError):
            return True
        if not isinstance(error, TimeoutError):
            return False
        try:
            await self._manager.stream_info(PROPOSALS_STREAM)
        except (NatsError, OSError, TimeoutError):
            return False
        return True

    def _ended(self, user: UserId, end: End) -> None:
        decision_id, trigger = _decided(end)
        if trigger.kind == decisions_pb2.TRIGGER_KIND_REQUEST:
            self._requested.setdefault(decision_id, (user, end))
            if len(self._requested) > REQUESTS_KEPT:
                del self._requested[next(iter(self._requested))]
        waiting = self._ends.get(decision_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(end)

    def _left_out(self, event: RecordedEvent) -> None:
        """An operator has given the end of a decision up: all that is known of it is which decision it ended.
        That will have no other.
        """
        for decision_id, waiting in self._ends.items():
            if record_command_id_of(decision_id) == event.metadata.command_id and not waiting.done():
                waiting.set_result(None)

    def _schedule(self, user: UserId, at: int | None) -> None:
        if at is None or self._scheduled.get(user) == at:
            return
        self._scheduled[user] = at
        heapq.heappush(self._moments, (at, user))
        self._moments_changed.set()


def _decided(end: End) -> tuple[DecisionId, decisions_pb2.Trigger]:
    """Which decision ended, and what it was about."""
    of = end if isinstance(end, tips_pb2.DecisionVoided) else end.decision
    return DecisionId(of.decision_id), of.trigger
