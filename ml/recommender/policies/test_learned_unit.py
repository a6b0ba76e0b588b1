"""The learned policy: the benches play it; what fatigue and an answer do to it; what the gate says."""

import json
import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.evaluation import bandit, gate
from ml.evaluation.moments import play
from ml.evaluation.ope.store import log_of
from ml.evaluation.population.days import live
from ml.evaluation.population.people import ATYPICAL, REPORTED, traits_of
from ml.learning.global_prior import flat_moments, flat_prior, learned_prior
from ml.learning.lessons import lessons_of
from ml.learning.person_model import Moment
from ml.learning.planning import Plan
from ml.learning.regression import Gaussian
from ml.recommender.agenda import Trigger
from ml.recommender.arithmetic import squash
from ml.recommender.decide import decide, prepare
from ml.recommender.draws import UNITS
from ml.recommender.fatigue import SPEAK, Fading, Fatigue
from ml.recommender.fold import LATEST_PRIOR, fold, new_person, prior_of
from ml.recommender.policies import CURRENT, POLICIES, learned_v2
from ml.recommender.policies.learned_v2 import WORLDS, LearnedPolicy, plan_of
from ml.recommender.policy import Policy
from ml.recommender.prior import prior_from_json, prior_json
from ml.recommender.record import record_of
from ml.recommender.replay import record_in, replay
from ml.recommender.shortlist import shortlist
from ml.serving.settings import Settings
from ml.testing.life import ADVICES, HOUR, Life
from oo.v1 import tips_pb2
from oo_contracts.canonical import digest_of
from oo_contracts.events import payload_json
from oo_contracts.ids import DecisionId

LEARNED = CURRENT["learned"]


def test_the_benches_play_the_class_that_is_served() -> None:
    served = CURRENT[Settings(nats_url="nats://127.0.0.1:1", policy="learned").policy]
    assert type(served) is play.POLICY is bandit.POLICY is LearnedPolicy


def test_every_prior_that_comes_with_the_code_is_the_same_after_json() -> None:
    prior = prior_of(LATEST_PRIOR)
    again = prior_from_json(json.loads(json.dumps(prior_json(prior))))
    assert again.digest == prior.digest
    changed = replace(again, moments=replace(flat_moments(), unit=2.0))
    assert changed.digest != prior.digest


def test_a_prior_without_a_field_is_refused_by_name() -> None:
    broken = prior_json(prior_of(LATEST_PRIOR))
    del broken["mean"]
    with pytest.raises(ValueError, match="mean"):
        prior_from_json(broken)


@settings(max_examples=25, deadline=None)
@given(
    appeal=st.floats(0, 1),
    tired=st.floats(0, 1),
    more=st.floats(0, 1),
    put_off=st.floats(0, 1),
)
def test_a_tip_is_worth_less_to_who_is_more_tired(
    appeal: float, tired: float, more: float, put_off: float
) -> None:
    """Where what is believed says that both grow what is resented."""
    sure = Gaussian.independent((0.6, 0.2, 0.4, 0.3), (0.01, 0.01, 0.01, 0.01))
    moments = flat_moments()
    reward = tuple(Gaussian.independent((level,) * 2 + (0.0, 0.0), (0.01,) * 4) for level in (0.8, -0.5))
    prior = replace(
        moments,
        reaction=(moments.reaction[0], sure),
        reward=(moments.reward[0], (reward[0], reward[1])),
    )
    planned = Fatigue(prior).planned
    assert planned is not None
    plan = plan_of(planned, 3)
    p = np.full(WORLDS, appeal)
    rested = plan.rewards(Moment(appeal, tired, put_off, 0), p)[:, SPEAK]
    after = plan.rewards(Moment(appeal, tired + more * (1.0 - tired), put_off, 0), p)[:, SPEAK]
    # The levels of a reward differ a little between the ends of habituation: a hundredth of spread.
    assert (after <= rested + 0.1 * more + 1e-9).all()


def test_a_quantity_fades_and_never_leaves_its_scale() -> None:
    fading = Fading(HOUR)
    for time in (0, 10, HOUR):
        fading.raise_by(0.9, time)
        assert 0.0 < fading.at(time) <= 1.0
    at_once = fading.at(HOUR)
    assert fading.at(2 * HOUR) == at_once / 2
    assert fading.at(0) == at_once


def test_what_is_believed_of_fatigue_does_not_depend_on_how_events_come() -> None:
    life = Life(31, LEARNED)
    life.live(6)
    half = len(life.events) // 2
    person = fold(life.user, life.prior, life.events[:half])
    for event in life.events[half:]:
        person.fold(event)
    assert person.digest == life.person.digest
    assert person.fatigue.model is not None
    assert person.fatigue.model.seen > 5
    assert all(again.identical for again in replay(life.user, life.events, life.prior.version).decisions)


@pytest.mark.parametrize("policy", [each for each in POLICIES.values() if each.name == "learned"])
def test_a_decision_is_the_same_whether_it_was_prepared_or_not(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(34, policy)
    life.live(6)
    module = sys.modules[type(policy).__module__]
    made = _count_plans(monkeypatch, module)
    events, digests = life.events, []
    for prepares in (False, True):
        vars(module)["_plans"].clear()
        person, records, at_hand = new_person(life.user, life.prior), [], 0
        for event in events:
            record = record_in(event)
            if record is not None and record.choice:
                trigger = Trigger(record.trigger.kind, record.trigger.id, event.metadata.recorded_at, "", "")
                offers = shortlist(person, trigger.at, list(life.items.values()), ADVICES, policy)
                if prepares:
                    prepare(person, policy)
                before = len(made)
                found = decide(person, trigger, offers, policy, life.prior, DecisionId(record.decision_id))
                at_hand += len(made) == before
                records.append(payload_json(record_of(found)))
            person.fold(event)
        # Every plan was made before it was asked for.
        assert not prepares or at_hand == len(records) >= 5
        digests.append(digest_of(records))
    assert digests[0] == digests[1]


def _count_plans(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[None]:
    """A list that has an entry for each plan that the module has made."""
    made: list[None] = []

    def counted(*arguments: Any) -> Plan:
        made.append(None)
        return Plan(*arguments)

    monkeypatch.setattr(module, "Plan", counted)
    return made


def test_answers_change_what_is_decided() -> None:
    life = Life(32, LEARNED)
    life.register()
    life.task("demo:task:1", 3 * HOUR)
    life.open_page()
    before = life.person.digest
    life.decide_due()
    while life.person.active_tip is None:
        life.now += 61 * 60_000
        life.open_page()
        life.decide_due()
    life.answer(tips_pb2.OUTCOME_KIND_DISMISSED)
    assert life.person.fatigue.disengagement.at(life.now) == pytest.approx(0.35)
    assert life.person.fatigue.habituation.at(life.now) == pytest.approx(0.25)
    assert life.person.digest != before


def test_the_reasons_add_up_to_the_probability() -> None:
    """The sum is the mean of what the draws gain, so its S-curve is nearly the mean of theirs."""
    life = Life(33, LEARNED)
    life.live(8)
    made = [each for each in life.decisions if not each.unavailable]
    off = []
    for each in made:
        account = each.account
        assert account is not None
        least, slope = (
            (learned_v2.PAGE_MIN, learned_v2.PAGE_SLOPE)
            if account.page
            else (learned_v2.ACT_MIN, learned_v2.SLOPE)
        )
        bounded = min(learned_v2.ACT_MAX, max(least, int(account.act * UNITS + 0.5)))
        assert each.act == bounded
        off.append(squash(slope * (account.moment.total + account.expected)) - account.act)
        assert len(account.tips) == len(each.candidates)
        assert account.moment.count >= len(each.moment_reasons) >= 1
    assert len(made) > 40
    assert {each.account.page for each in made if each.account} == {True, False}
    assert float(np.quantile(np.abs(off), 0.9)) < 0.2
    assert abs(float(np.mean(off))) < 0.05


def test_people_for_reports_are_others_than_those_for_training() -> None:
    assert traits_of(300) != traits_of(REPORTED + 300)
    assert traits_of(REPORTED) != traits_of(REPORTED + ATYPICAL)
    assert traits_of(7) == traits_of(7)


def test_a_prior_is_learned_from_people_and_the_gate_judges_it() -> None:
    lives = [live(40 + number, lambda _: LEARNED, flat_prior(), days=3).life for number in range(6)]
    prior = learned_prior("people.1", [lessons_of(life.user, life.events, life.prior) for life in lives])
    assert prior.names == flat_prior().names
    assert prior.digest != flat_prior().digest
    by_person = {life.user: life.events for life in lives}
    same = gate.judge(log_of(by_person, LEARNED, flat_prior()), LEARNED, flat_prior(), gate.MARGIN).judged
    assert same.decisions > 50
    assert same.effective == pytest.approx(same.decisions, rel=0.2)
    assert same.estimate == pytest.approx(same.logged, abs=0.05)
    judged = gate.judge(log_of(by_person, LEARNED, prior), LEARNED, prior, 0.0).judged
    assert judged.passed == (judged.reason == "")
    assert judged.prior_version == "people.1"


def test_too_few_people_teach_no_prior() -> None:
    with pytest.raises(ValueError, match="5 at least"):
        learned_prior("people.0", [])
