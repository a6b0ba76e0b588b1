"""Who is parked, and what becomes of it when an operator gives the event up."""

import json
import logging
import random
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml.recommender import person as person_module
from ml.recommender.fold import COMMON_PRIOR, fold, prior_of
from ml.recommender.person import Person
from ml.recommender.skips import kept
from ml.serving.people import Gap, Parked, People
from ml.testing.life import Life, skip_of
from ml.testing.lockstep import portrait
from oo.v1 import signals_pb2
from oo_contracts.envelope import STREAM_DELETED, read_envelope, read_unread
from oo_contracts.ids import DecisionId, record_command_id_of
from oo_contracts.partition import PARTITIONS
from oo_contracts.streams import PERSON_CATEGORIES, stream_of

Envelope = dict[str, Any]
LOG = logging.getLogger("oo.test.people")
LOG.setLevel(logging.CRITICAL)
PRIOR = prior_of(COMMON_PRIOR)


def people_of() -> People:
    return People(PRIOR, range(PARTITIONS), LOG, lambda _user, _event: None)


def deliver(people: People, store: Sequence[Envelope], envelope: Envelope) -> None:
    """As the worker does it: what does not follow is read from the store."""
    try:
        people.fold(envelope)
    except Gap as gap:
        people.refold(gap.user, list(store))


def straight(life: Life) -> People:
    people = people_of()
    for envelope in life.envelopes:
        deliver(people, life.envelopes, envelope)
    return people


def picture(people: People, life: Life) -> object:
    """All that is known of a person: their state, or what they wait at."""
    parked = people.parked.get(life.user)
    return portrait(people.get(life.user)) if parked is None else asdict(parked)


def skip(life: Life, envelope: Envelope, projection: str = "recommender") -> Envelope:
    """Records that an event is left out."""
    life.record(skip_of(envelope, projection))
    return life.envelopes[-1]


def spoil(envelope: Envelope) -> Envelope:
    """Makes an event one that this build cannot read."""
    envelope["metadata"]["schemaVersion"] = 99
    return envelope


def without(life: Life) -> Person:
    """The state that the events would make had those that are left out never been there."""
    readable = [
        (read_unread if each["metadata"]["schemaVersion"] == 99 else read_envelope)(each)
        for each in life.envelopes
    ]
    return fold(life.user, PRIOR, kept(readable))


@pytest.fixture
def life() -> Life:
    life = Life(51)
    life.live(4)
    return life


def signals(life: Life) -> list[Envelope]:
    return [each for each in life.envelopes if each["stream"].startswith("signals-")]


def parked_of(people: People, life: Life) -> Parked:
    assert people.get(life.user) is None
    return people.parked[life.user]


def test_an_event_that_cannot_be_read_parks_its_person_with_all_that_an_operator_asks(life: Life) -> None:
    broken = spoil(signals(life)[-3])
    people, other = straight(life), Life(52)
    other.register()
    for envelope in other.envelopes:
        deliver(people, other.envelopes, envelope)
    # What the event has half changed is no state of anybody.
    assert list(people) == [other.user]
    parked = parked_of(people, life)
    assert (parked.event.stream, parked.event.revision) == (broken["stream"], int(broken["revision"]))
    assert parked.event.type == broken["type"]
    assert parked.error.startswith(f"cannot read {broken['type']} version 99")
    assert parked.behind == len(life.envelopes) - 1 - life.envelopes.index(broken)
    assert parked.recorded_at == read_unread(broken).metadata.recorded_at > 0


def test_a_bug_in_a_fold_parks_its_person_and_is_told_with_its_place(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_person: Person, _event: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(person_module.FOLDS, "MoodReported", failing)
    parked = parked_of(straight(life), life)
    assert parked.event.type == "MoodReported"
    assert parked.error.startswith("ZeroDivisionError: a bug\n")
    assert "in failing" in parked.error


def test_a_skip_leaves_that_very_event_out_and_the_person_goes_on(life: Life) -> None:
    broken = spoil(signals(life)[4])
    people = straight(life)
    with pytest.raises(Gap):
        people.fold(skip(life, broken))
    people.refold(life.user, life.envelopes)
    person, pure = people.get(life.user), without(life)
    assert person is not None
    assert person.revisions[stream_of("skips", life.user)] == 0
    assert person.revisions[broken["stream"]] == int(signals(life)[-1]["revision"])
    for name in ("tasks", "finished", "busy", "habits", "mood", "answers", "tips", "refs", "preferences"):
        assert getattr(person, name) == getattr(pure, name), name
    assert person.digest == pure.digest
    # And goes on: what comes next follows.
    life.record(signals_pb2.MoodReported(valence=2))
    people.fold(life.envelopes[-1])
    assert person.mood is not None
    assert person.mood.valence == 2


def test_the_next_one_that_cannot_be_read_is_parked_then(life: Life) -> None:
    first, second = spoil(signals(life)[4]), spoil(signals(life)[-1])
    people = straight(life)
    deliver(people, life.envelopes, skip(life, first))
    assert parked_of(people, life).event.position == int(second["position"])
    # What it has seen is not told to it again: nothing is read from the store in vain.
    for envelope in life.envelopes:
        people.fold(envelope)
    deliver(people, life.envelopes, skip(life, second))
    assert people.get(life.user) is not None


def test_what_a_read_model_leaves_out_changes_nothing_here(life: Life) -> None:
    before = picture(straight(life), life)
    skip(life, signals(life)[2], projection="timeline")
    people = people_of()
    for envelope in life.envelopes:
        people.fold(envelope)
    assert picture(people, life) == before
    assert portrait(fold(life.user, PRIOR, life.events)) == before
    broken = spoil(signals(life)[4])
    waits = picture(straight(life), life)
    people = straight(life)
    people.fold(skip(life, broken, projection="current-tip"))
    assert picture(people, life) == waits == picture(straight(life), life)


def test_a_skip_that_cannot_be_read_parks_and_can_itself_be_left_out(life: Life) -> None:
    people = straight(life)
    unread = spoil(skip(life, signals(life)[0], projection="timeline"))
    deliver(people, life.envelopes, unread)
    assert parked_of(people, life).event.stream == stream_of("skips", life.user)
    deliver(people, life.envelopes, skip(life, unread))
    assert people.get(life.user) is not None


def test_a_decisions_end_that_is_left_out_ends_its_decision_all_the_same() -> None:
    life = Life(53)
    life.register()
    life.task("demo:task:1")
    (decision,) = life.decide_due()
    end = spoil(life.envelopes[-1])
    skip(life, end)
    person = straight(life).get(life.user)
    assert person is not None
    # Decided again it would end as before: in the event that is left out. It would be proposed for ever.
    assert person.agenda.due(life.now) == []
    end["metadata"]["commandId"] = record_command_id_of(DecisionId("another"))
    person = straight(life).get(life.user)
    assert person is not None
    assert [decision_id for decision_id, _ in person.agenda.due(life.now)] == [decision.id]


def test_a_moment_whose_decisions_end_is_left_out_is_over_too() -> None:
    life = Life(53)
    # Nothing may be said, so that no outcome closes between the moment and its decision, and opens its point.
    life.register(budget=0)
    life.task("demo:task:1")
    life.decide_due()
    moment = life.person.agenda.next_moment(life.now)
    assert moment is not None
    life.now = moment
    assert len(life.decide_due()) == 1
    skip(life, spoil(life.envelopes[-1]))
    person = straight(life).get(life.user)
    assert person is not None
    assert person.agenda.due(life.now) == []


@pytest.mark.parametrize("category", PERSON_CATEGORIES)
def test_any_of_the_streams_that_is_deleted_for_good_says_that_its_person_has_left(
    life: Life, category: str
) -> None:
    record = {"id": "1", "type": STREAM_DELETED, "stream": stream_of(category, life.user), "data": ""}
    record |= {"revision": str((1 << 63) - 1), "position": "1000000"}
    people = straight(life)
    people.fold(record)
    assert people.has_left(life.user)
    assert list(people) == []


def test_what_was_read_of_somebody_before_they_left_brings_them_not_back(life: Life) -> None:
    people = straight(life)
    people.leave(life.user, 1_000_000)
    assert people.refold(life.user, life.envelopes) == 0
    assert list(people) == []


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32))
@example(3611957)
def test_whatever_comes_in_whatever_order_the_state_is_that_of_a_start(seed: int) -> None:
    draw = random.Random(seed)
    life = Life(seed % 1000)
    life.live(1)
    plan = life.envelopes
    life.envelopes = []
    # The same life again with what operators say in between, of what was and of what is yet to come.
    said = 0
    for envelope in plan:
        if draw.random() < 0.05:
            spoil(envelope)
        for _ in range(draw.choice([0, 0, 0, 0, 0, 0, 1, 2])):
            unreadable = [each for each in plan if each["metadata"]["schemaVersion"] == 99]
            about = draw.choice(unreadable if unreadable and draw.random() < 0.7 else plan)
            said += 1
            made = skip(life, about, draw.choice(["recommender", "recommender", "recommender", "timeline"]))
            if draw.random() < 0.05:
                spoil(made)
        life.envelopes.append(envelope)
    for place, envelope in enumerate(life.envelopes):
        envelope["position"] = str(1000 + 10 * place)
    people, reached = people_of(), 0
    while reached < len(life.envelopes):
        # The store may be ahead of what is delivered; what is may come stream by stream, be missing, and come
        # again.
        before, reached = reached, min(len(life.envelopes), reached + draw.randrange(1, 6))
        streams = sorted({each["stream"] for each in life.envelopes})
        draw.shuffle(streams)
        for stream in streams:
            for envelope in life.envelopes[before:reached]:
                if envelope["stream"] == stream and draw.random() < 0.8:
                    deliver(people, life.envelopes[:reached], envelope)
        if draw.random() < 0.3:
            deliver(people, life.envelopes[:reached], draw.choice(life.envelopes[:reached]))
        if draw.random() < 0.1:
            people.refold(life.user, life.envelopes[:reached])
    # In the end it reads what it has missed, in the order of the store.
    for envelope in life.envelopes:
        deliver(people, life.envelopes, envelope)
    start, refolded = straight(life), people_of()
    refolded.refold(life.user, json.loads(json.dumps(life.envelopes)))
    assert picture(people, life) == picture(start, life) == picture(refolded, life)
    person = people.get(life.user)
    if person is not None:
        assert person.digest == without(life).digest
        assert person.tasks == without(life).tasks
