import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.recommender.fold import COMMON_PRIOR, PRIORS
from ml.recommender.policies import CURRENT
from ml.recommender.replay import differences, replay
from ml.testing.life import Life
from oo_contracts.envelope import RecordedEvent, read_envelope
from oo_contracts.ids import DecisionId


@pytest.fixture(scope="module")
def life() -> Life:
    life = Life(31)
    life.live(10)
    return life


def altered(
    life: Life, change: Any, wants: Any = lambda record: "choice" in record
) -> tuple[DecisionId, list[RecordedEvent]]:
    """The life's events with one recorded decision changed; the decision's id before."""
    envelopes = copy.deepcopy(life.envelopes)
    records = [
        each["data"]["decision"] for each in envelopes if each["type"] in ("TipProposed", "TipWithheld")
    ]
    record = next(each for each in records[5:] if wants(each))
    decision_id = DecisionId(record["decisionId"])
    change(record)
    return decision_id, [read_envelope(each) for each in envelopes]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from(sorted(CURRENT)))
def test_every_decision_of_a_life_comes_out_bit_identical(seed: int, policy: str) -> None:
    life = Life(seed, CURRENT[policy])
    life.live(5)
    life.ask()
    history = replay(life.user, life.events[::-1], PRIORS[CURRENT[policy].features])
    assert [each.decision_id for each in history.decisions] == life.ended
    assert all(each.identical for each in history.decisions)
    assert history.state.belief.digest == life.person.belief.digest


def change_probability(record: Any) -> None:
    record["candidates"][0]["probability"] = round(record["candidates"][0]["probability"] + 0.0001, 4)


def set_field(name: str, value: Any) -> Any:
    return lambda record: record.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (change_probability, "candidates.0.probability"),
        (set_field("actProbability", 0.123), "actProbability"),
        (set_field("seed", "0" * 32), "seed"),
        (set_field("stateDigest", "0" * 64), "stateDigest"),
        (set_field("choice", "demo:task:nothing"), "choice"),
        (set_field("holdsUntil", "2026-01-01T00:00:00Z"), "holdsUntil"),
        (set_field("decidedAt", "2026-01-01T00:00:00Z"), "decidedAt"),
        (set_field("unavailable", ["UNAVAILABILITY_QUIET_HOURS"]), "unavailable"),
        (lambda record: record["context"].__setitem__(0, 0.99), "context.0"),
        (lambda record: record["momentReasons"].reverse(), "momentReasons.0.code"),
        (lambda record: record["trigger"].__setitem__("at", "2026-01-01T00:00:00Z"), "trigger.at"),
        (lambda record: record["candidates"][0]["features"].__setitem__(12, 0.5), "candidates.0.features.12"),
    ],
)
def test_an_altered_field_is_named(life: Life, change: Any, field: str) -> None:
    decision_id, events = altered(life, change)
    history = replay(life.user, events, COMMON_PRIOR)
    found = {each.decision_id: each for each in history.decisions}[decision_id]
    assert field in [each.field for each in found.differences]


def test_a_probability_altered_by_its_last_bit_is_seen(life: Life) -> None:
    def last_bit(record: Any) -> None:
        record["candidates"][1]["probability"] += 2.0**-54

    decision_id, events = altered(
        life, last_bit, lambda record: record.get("choice", "") == "" and "candidates" in record
    )
    first, *later = [each for each in replay(life.user, events, COMMON_PRIOR).decisions if not each.identical]
    assert first.decision_id == decision_id
    assert [each.field for each in first.differences] == ["candidates.1.probability"]
    # What was learned from the record is other by a bit as well.
    assert all("stateDigest" in [difference.field for difference in each.differences] for each in later)


def test_an_altered_answer_makes_later_decisions_differ(life: Life) -> None:
    envelopes = copy.deepcopy(life.envelopes)
    closed = next(e for e in envelopes if e["data"].get("outcome") == "OUTCOME_KIND_ACCEPTED")
    closed["data"]["outcome"] = "OUTCOME_KIND_DISMISSED"
    differing = [
        e
        for e in replay(life.user, [read_envelope(e) for e in envelopes], COMMON_PRIOR).decisions
        if not e.identical
    ]
    fields = {difference.field for each in differing for difference in each.differences}
    assert "stateDigest" in fields
    assert min(each.position for each in differing) > int(closed["position"])


def test_a_decision_on_what_was_no_beginning_of_the_past_is_made_on_what_it_names(life: Life) -> None:
    def forget_user_stream(record: Any) -> None:
        record["foldedTo"] = [each for each in record["foldedTo"] if not each["stream"].startswith("user-")]

    decision_id, events = altered(life, forget_user_stream)
    found = {each.decision_id: each for each in replay(life.user, events, COMMON_PRIOR).decisions}[
        decision_id
    ]
    fields = {each.field: each for each in found.differences}
    assert fields["unavailable"].replayed == ["UNAVAILABILITY_NO_CONSENT"]
    assert "foldedTo.0.stream" not in fields


@pytest.mark.parametrize(
    ("name", "reason"), [("policyVersion", "no policy heuristic v99"), ("priorVersion", "no prior 'v99'")]
)
def test_what_this_build_does_not_have_is_said(life: Life, name: str, reason: str) -> None:
    envelopes = [copy.deepcopy(each) for each in life.envelopes if each["type"] != "DecisionOutcomeClosed"]
    # The last, so that nothing has to be learned from it.
    record = [e["data"]["decision"] for e in envelopes if e["type"] == "TipWithheld"][-1]
    record[name] = "v99"
    history = replay(life.user, [read_envelope(each) for each in envelopes], COMMON_PRIOR)
    found = {each.decision_id: each for each in history.decisions}[record["decisionId"]]
    assert [each.field for each in found.differences] == ["(decision)"]
    assert reason in str(found.differences[0].replayed)


def test_differences_tell_absent_and_kinds_apart() -> None:
    found = differences({"a": 1, "b": [1, 2], "d": 0.0}, {"b": [1], "c": {"x": 1}, "d": 0})
    assert [(each.field, each.recorded, each.replayed) for each in found] == [
        ("a", 1, None),
        ("b.1", 2, None),
        ("c", None, {"x": 1}),
        ("d", 0.0, 0),
    ]
