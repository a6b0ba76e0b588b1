"""What a decision is made of, and what makes it another."""

import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.features import v1
from ml.recommender.agenda import Trigger
from ml.recommender.catalogue import load_advices
from ml.recommender.decide import CANDIDATES, Decision, Offer, decide, unavailability
from ml.recommender.draws import UNITS
from ml.recommender.explanations import words
from ml.recommender.fold import fold
from ml.recommender.policies import CURRENT
from ml.recommender.prior import independent
from ml.recommender.record import record_of
from ml.testing.life import HOUR, MINUTE, MONDAY, Life
from oo.v1 import decisions_pb2, tips_pb2, users_pb2
from oo_contracts.events import payload_json
from oo_contracts.ids import DecisionId, decision_id_of
from oo_contracts.instants import timestamp_ms

BAD = tips_pb2.OUTCOME_KIND_DISMISSED
GOOD = tips_pb2.OUTCOME_KIND_COMPLETED


def ready(policy: str = "heuristic", budget: int = 3) -> Life:
    life = Life(policy=CURRENT[policy])
    life.register(budget=budget)
    for number in range(3):
        life.task(f"demo:task:{number}", (number + 1) * HOUR)
    return life


def asked(
    life: Life, number: int = 1, kind: decisions_pb2.TriggerKind = decisions_pb2.TRIGGER_KIND_SIGNAL
) -> Decision:
    request = f"00000000-0000-4000-8000-{number:012d}"
    name = decisions_pb2.TriggerKind.Name(kind)
    return life.decide(
        Trigger(kind, request, life.now, request, request), decision_id_of(life.user, name, request)
    )


def test_choices_meet_the_recorded_probabilities() -> None:
    life = ready()
    n = 4000
    made = [asked(life, number) for number in range(n)]
    act, tips = made[0].act, made[0].tips
    assert all((each.act, each.tips) == (act, tips) for each in made)
    spoken = [each.choice for each in made if each.choice is not None]
    assert abs(len(spoken) - n * act / UNITS) < 5 * (n * act / UNITS * (1 - act / UNITS)) ** 0.5
    for candidate, share in zip(made[0].candidates, tips, strict=True):
        count, p = sum(1 for each in spoken if each.ref == candidate.ref), share / UNITS
        assert abs(count - len(spoken) * p) < 5 * (len(spoken) * p * (1 - p)) ** 0.5


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(CURRENT)))
def test_probabilities_sum_to_one_within_their_bounds(seed: int, policy: str) -> None:
    life = Life(seed, CURRENT[policy])
    life.live(6)
    for decision in life.decisions:
        if decision.unavailable:
            assert (decision.act, decision.choice, decision.candidates) == (0, None, ())
            continue
        assert sum(decision.tips) == UNITS
        record = record_of(decision)
        assert sum(each.probability for each in record.candidates) == pytest.approx(1.0, abs=1e-12)
        least = 0.02 if policy == "learned" else 0.05
        assert least <= record.act_probability <= 0.95
        if policy != "random":
            assert min(decision.tips) >= (200 if policy == "heuristic" else 100)
        assert record.choice in ("", *(each.ref for each in record.candidates))
        assert len(json.dumps(payload_json(record), separators=(",", ":"))) < 4096


def test_random_tips_any_todo_alike_and_advices_where_there_is_none() -> None:
    life = ready("random")
    decision = asked(life)
    todos = [each.kind == decisions_pb2.TIP_KIND_TODO for each in decision.candidates]
    assert decision.act == UNITS // 2
    assert [share > 0 for share in decision.tips] == todos
    assert max(decision.tips) - min(share for share in decision.tips if share) <= 1
    life.items.clear()
    assert min(asked(life).tips) > 0


def test_one_other_answer_makes_another_probability_later() -> None:
    lives = []
    for outcome in (GOOD, BAD):
        life = ready(budget=50)
        number = 0
        while life.person.active_tip is None:
            number += 1
            made = asked(life, number)
            if made.choice is not None:
                life.end(made)
        life.now += MINUTE
        life.answer(outcome)
        life.now += 30 * HOUR
        life.items.clear()
        life.task("demo:task:90", HOUR)
        lives.append(life)
    good, bad = (asked(life, 1) for life in lives)
    assert good.state_digest != bad.state_digest
    assert good.act > bad.act
    assert good.tips != bad.tips


def test_unavailable_means_waiting_for_sure_and_says_why() -> None:
    life = Life()
    life.task("demo:task:1")
    assert asked(life).unavailable == (decisions_pb2.UNAVAILABILITY_NO_CONSENT,)
    assert asked(life).reconsider_at is None
    life.register(budget=1)
    life.now = MONDAY + 23 * HOUR
    quiet = asked(life)
    assert quiet.unavailable == (decisions_pb2.UNAVAILABILITY_QUIET_HOURS,)
    assert quiet.reconsider_at == MONDAY + 31 * HOUR
    assert asked(life, kind=decisions_pb2.TRIGGER_KIND_PAGE_OPENED).unavailable == ()
    life.now = MONDAY + 12 * HOUR
    number = 0
    while life.person.active_tip is None:
        number += 1
        life.end(asked(life, number))
    both = (decisions_pb2.UNAVAILABILITY_BUDGET_SPENT, decisions_pb2.UNAVAILABILITY_TIP_ACTIVE)
    assert asked(life).unavailable == both
    life.answer(GOOD)
    spent = asked(life)
    assert spent.unavailable == both[:1]
    assert spent.reconsider_at == MONDAY + 31 * HOUR
    life.now = MONDAY + 32 * HOUR
    assert asked(life).unavailable == ()
    life.record(users_pb2.ConsentWithdrawn(scope=users_pb2.CONSENT_SCOPE_TIPS))
    assert asked(life).unavailable == (decisions_pb2.UNAVAILABILITY_NO_CONSENT,)


def test_without_a_candidate_it_waits() -> None:
    life = ready()
    trigger = Trigger(decisions_pb2.TRIGGER_KIND_SIGNAL, "x", life.now, "x", "x")
    decision = decide(life.person, trigger, [], life.policy, life.prior, DecisionId("0" * 36))
    assert decision.unavailable == (decisions_pb2.UNAVAILABILITY_NO_CANDIDATE,)
    assert unavailability(life.person, trigger, life.policy) == ()


def test_who_opens_the_page_gets_a_tip_at_once_or_is_asked_again_soon() -> None:
    life = ready()
    life.open_page()
    made = [asked(life, number, decisions_pb2.TRIGGER_KIND_PAGE_OPENED) for number in range(100)]
    assert {each.act for each in made} == {9500}
    waiting = [each for each in made if each.choice is None]
    assert waiting
    assert {(each.holds_until, each.reconsider_at) for each in waiting} == {(life.now + 5_000,) * 2}
    life.now += 5_000
    assert asked(life, kind=decisions_pb2.TRIGGER_KIND_MOMENT).act == 9500
    life.now += HOUR
    assert asked(life, kind=decisions_pb2.TRIGGER_KIND_MOMENT).act < 9500


def test_whoever_waits_on_the_page_is_not_forgotten_over_a_signal() -> None:
    # Found in the browser: a signal came while somebody waited, and the next moment was an hour away.
    life = ready()
    life.open_page()
    life.now += 5_000
    made = [asked(life, number) for number in range(100)]
    assert {each.act for each in made} == {9500}
    waiting = [each for each in made if each.choice is None]
    assert {each.reconsider_at for each in waiting} == {life.now + 5_000}

    # Who was shown one waits for no other.
    tipped = next(each for each in made if each.choice is not None)
    life.end(tipped)
    life.answer(tips_pb2.OUTCOME_KIND_COMPLETED)
    assert asked(life, 101).act < 9500


def test_horizons_follow_what_was_chosen() -> None:
    life = ready()
    for number in range(300):
        made = asked(life, number)
        if made.choice is None:
            expected = 60
        else:
            expected = 120 if made.choice.kind == decisions_pb2.TIP_KIND_TODO else 45
        assert made.holds_until == life.now + expected * MINUTE
        assert made.reconsider_at is not None
        assert not life.person.quiet(made.reconsider_at)


def test_more_of_the_budget_used_speaks_against_the_next_tip() -> None:
    acts = []
    for used in range(4):
        life = ready(budget=10)
        for number in range(used):
            offers = [Offer(f"demo:task:{50 + number}", decisions_pb2.TIP_KIND_TODO, (0.0,) * len(v1.GIVEN))]
            tip, attempt = None, 0
            while tip is None:
                attempt += 1
                request = f"00000000-0000-4000-8000-{number * 1000 + attempt:012d}"
                kind = decisions_pb2.TRIGGER_KIND_PAGE_OPENED
                trigger = Trigger(kind, request, life.now, request, request)
                decision_id = decision_id_of(life.user, decisions_pb2.TriggerKind.Name(kind), request)
                made = decide(life.person, trigger, offers, life.policy, life.prior, decision_id)
                tip = made.choice
            life.end(made)
            life.answer(tips_pb2.OUTCOME_KIND_NEVER_SHOWN)
        life.now += 5 * HOUR
        acts.append(asked(life).act)
    assert acts == sorted(acts, reverse=True)
    assert acts[-1] < acts[0]


def test_never_shown_teaches_nothing_and_later_only_the_moment() -> None:
    record = record_of(next(each for n in range(99) if (each := asked(ready(), n)).choice is not None))
    assert v1.lesson(record, tips_pb2.OUTCOME_KIND_NEVER_SHOWN) is None
    later = v1.lesson(record, tips_pb2.OUTCOME_KIND_SNOOZED)
    dismissed = v1.lesson(record, BAD)
    assert later is not None
    assert dismissed is not None
    tip = slice(v1.WEIGHTS.index("tip.todo"), None)
    assert not later.x[tip].any()
    assert dismissed.x[tip].any()
    assert (later.x[: tip.start] == dismissed.x[: tip.start]).all()
    assert dismissed.reward < later.reward < 0


def test_lessons_are_centred_on_what_the_policy_was_about_to_do() -> None:
    """Averaged over the draws, the effect's and the tip's block vanish: the baseline cannot leak in."""
    life = ready()
    mean, n = None, 3000
    for number in range(n):
        record = record_of(asked(life, number))
        outcome = GOOD if record.choice else tips_pb2.OUTCOME_KIND_WAITED
        lesson = v1.lesson(record, outcome)
        assert lesson is not None
        mean = lesson.x / n if mean is None else mean + lesson.x / n
    assert mean is not None
    assert abs(mean[len(v1.BASELINE) :]).max() < 5 * 0.5 / n**0.5


def test_a_state_of_another_prior_and_too_many_candidates_are_refused() -> None:
    life = ready()
    trigger = Trigger(decisions_pb2.TRIGGER_KIND_SIGNAL, "x", life.now, "x", "x")
    other = independent("other", "v1", dict.fromkeys(v1.WEIGHTS, (0.0, 1.0)), 0.25, 1.0)
    with pytest.raises(ValueError, match="not folded from the prior other"):
        decide(life.person, trigger, [], life.policy, other, DecisionId("0" * 36))
    many = [Offer(f"demo:task:{n}", decisions_pb2.TIP_KIND_TODO, (0.0,) * 10) for n in range(CANDIDATES + 1)]
    with pytest.raises(ValueError, match="10 at most"):
        decide(life.person, trigger, many, life.policy, life.prior, DecisionId("0" * 36))


def test_the_longest_references_fit_into_a_record() -> None:
    life = ready()
    life.items.clear()
    for number in range(20):
        life.task(f"{'a' * 32}:{'b' * 32}:{number:064d}", HOUR)
    made = [asked(life, number) for number in range(50)]
    sizes = [len(json.dumps(payload_json(record_of(each)), separators=(",", ":"))) for each in made]
    assert max(sizes) < 4096
    assert all(any(c.kind == decisions_pb2.TIP_KIND_TODO for c in each.candidates) for each in made)


def test_what_was_finished_refused_or_put_off_rests() -> None:
    life = ready(budget=50)
    life.open_page()
    number = 0
    while life.person.active_tip is None:
        number += 1
        life.end(asked(life, number))
    tipped = life.person.active_tip.ref
    life.answer(tips_pb2.OUTCOME_KIND_SNOOZED)
    assert tipped not in {each.ref for each in asked(life).candidates}
    life.now += 3 * HOUR
    assert tipped in {each.ref for each in asked(life).candidates}


def test_features_are_hundredths_in_their_range_and_tell_nothing_of_ids() -> None:
    for seed in range(3):
        life = Life(seed)
        life.live(5)
        for decision in life.decisions:
            values = [*decision.context, *(value for each in decision.candidates for value in each.features)]
            assert all(-1.0 <= value <= 1.0 and value == v1.hundredths(value) for value in values)
            assert len(decision.context) == len(v1.CONTEXT)
            assert all(len(each.features) == len(v1.CANDIDATE) for each in decision.candidates)
    one, other = ready(), ready()
    one.items = {ref: item for ref, item in one.items.items() if ref == "demo:task:0"}
    renamed = one.items["demo:task:0"].__class__()
    renamed.CopyFrom(one.items["demo:task:0"])
    renamed.ref = "demo:task:zzz"
    other.items = {"demo:task:zzz": renamed}
    assert asked(one).candidates[0].features == asked(other).candidates[0].features


def test_every_reason_has_words() -> None:
    signed = {"mood", "energy", "priority", "fit", "energy_effort"}
    expected = {
        f"{prefix}.{name}{low}.{side}"
        for prefix, names in (("moment", (*v1.CONTEXT, "tired", "spent", "later")), ("tip", v1.TIP))
        for name in names
        for low in (("", "_low") if name in signed else ("",))
        for side in ("for", "against")
    }
    assert set(words()["reasons"]) == expected
    said = set()
    for seed in range(4):
        life = Life(seed)
        life.live(8)
        for each in life.decisions:
            said |= {reason.code for reason in (*each.moment_reasons, *each.tip_reasons)}
    assert said <= expected
    assert len(said) > 20
    assert set(words()["unavailable"]) == set(decisions_pb2.Unavailability.keys()[1:])
    assert set(words()["triggers"]) == set(decisions_pb2.TriggerKind.keys()[1:])
    assert set(words()["voided"]) == set(tips_pb2.VoidReason.keys()[1:])


def test_the_catalogue_asks_for_features_that_there_are() -> None:
    advices = load_advices()
    assert len({advice.ref for advice in advices}) == len(advices) == 16
    for advice in advices:
        assert advice.theme in v1.THEMES
        assert advice.ref.startswith("oo:advice:")
        assert {name for name, _ in advice.when} <= set(v1.CONTEXT)


def test_threads_decide_alike() -> None:
    lives = [Life(seed) for seed in range(4)]
    for life in lives:
        life.live(4)
    found: dict[int, str] = {}

    def refold(index: int) -> None:
        life = lives[index % 4]
        found[index] = fold(life.user, life.prior, life.events).belief.digest

    threads = [threading.Thread(target=refold, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[index] for index in range(8)] == [
        lives[index % 4].person.belief.digest for index in range(8)
    ]
    assert all(timestamp_ms(record_of(d).decided_at) == d.decided_at for d in lives[0].decisions)
