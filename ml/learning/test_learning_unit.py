"""The learners: law 3, exact probabilities, replay, and that they do learn."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.learning.act_or_wait import FLOOR_UNITS, ActOrWait
from ml.learning.arms import Arms
from ml.learning.empirical_bayes import over_people
from ml.learning.normals import normals, normals_of, uniforms
from ml.learning.person_model import Episode, Moment, PersonModel, Worlds, cold_prior
from ml.learning.planning import Plan
from ml.learning.regression import Gaussian, Moments, Posterior, mean_of
from ml.learning.waves import cosine_of_turns
from ml.recommender.draws import UNITS

STEPS = 12
FORBIDDEN = (
    *("dot", "vdot", "inner", "matmul", "einsum", "tensordot", "exp", "log", "log1p", "sin", "cos", "tan"),
    *("tanh", "arctan", "power", "cbrt", "hypot", "sum", "mean", "prod"),
)
ON_THE_DECISION_PATH = ("act_or_wait", "arms", "normals", "person_model", "planning", "regression", "waves")


def simulated(learner: ActOrWait, episodes: int, seed: int = 0) -> list[tuple[float, int, list[float]]]:
    """A small person: message 1 pleases, message 2 annoys, and both dull. (return, sent, probabilities)."""
    rng = np.random.default_rng(seed)
    told = []
    for _ in range(episodes):
        h, d, total, sent, probabilities = 0.1, 0.1, 0.0, 0, []
        for step in range(STEPS):
            moment = Moment(float(rng.integers(2)), h, d, step)
            choice = learner.decide(moment)
            probabilities.append(choice.probability(choice.action))
            reward = 0.0
            if choice.action == 0:
                h = 0.8 * h
            else:
                h = min(h + 0.1, 1.0)
                reward = 10.0 * (1 - h) if choice.action == 1 else 0.0
                d = 0.9 * d if choice.action == 1 else min(d + 0.4, 1.0)
                sent += 1
            left = d >= 0.95
            reward = 0.0 if left else reward
            over = step == STEPS - 1
            learner.learn(
                Episode(moment, choice.action, reward, Moment(0.5, h, d, step + 1), left and not over, over)
            )
            total += reward
            if left:
                break
        told.append((total, sent, probabilities))
    return told


def test_no_blas_no_transcendental_in_the_source() -> None:
    for name in ON_THE_DECISION_PATH:
        tree = ast.parse(Path(__file__).with_name(f"{name}.py").read_text("utf-8"))
        for node in ast.walk(tree):
            assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)), name
            if isinstance(node, ast.Attribute):
                of_numpy = isinstance(node.value, ast.Name) and node.value.id == "np"
                assert node.attr not in {"linalg", "random"}, f"{name}: {node.attr}"
                assert not (of_numpy and node.attr in FORBIDDEN), f"{name}: np.{node.attr}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in FORBIDDEN, f"{name}: .{node.func.attr}()"


def test_nothing_forbidden_is_called_while_deciding(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("not + − × ÷ √")

    learner, arms = ActOrWait(cold_prior(3), "law 3", STEPS), Arms(3, 2)
    for name in FORBIDDEN:
        if hasattr(np, name):
            monkeypatch.setattr(np, name, forbidden)
    for name in ("cholesky", "solve", "inv", "svd", "eigh", "lstsq"):
        monkeypatch.setattr(np.linalg, name, forbidden)
    moment = Moment(0.7, 0.1, 0.1, 0)
    for step in range(4):
        choice = learner.decide(moment)
        learner.learn(Episode(moment, choice.action, 1.0, Moment(0.2, 0.15, 0.09, step + 1), False, False))
        arm, _ = arms.choose(np.array([0.1, -2.0, float(step)]))
        arms.learn(arm, 1.0)


def test_the_same_key_and_history_replay_bit_for_bit() -> None:
    first, again = (simulated(ActOrWait(cold_prior(3), "one", STEPS), 3) for _ in range(2))
    assert first == again
    assert simulated(ActOrWait(cold_prior(3), "two", STEPS), 3) != first


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(0, STEPS - 1), st.integers(0, 1000))
def test_probabilities_sum_to_one_and_keep_the_floor(
    p: float, h: float, d: float, step: int, key: int
) -> None:
    choice = ActOrWait(cold_prior(4), str(key), STEPS).decide(Moment(p, h, d, step))
    assert FLOOR_UNITS <= choice.act <= UNITS - FLOOR_UNITS
    assert sum(choice.messages) == UNITS
    assert math.isclose(sum(choice.probability(action) for action in range(4)), 1.0)
    assert choice.probability(choice.action) > 0


def test_it_learns_whom_to_spare() -> None:
    told = simulated(ActOrWait(cold_prior(3), "learns", STEPS), 12)
    first, last = (np.mean([total for total, _, _ in part]) for part in (told[:2], told[-4:]))
    assert last > first
    assert last > always_pleasing()


def always_pleasing() -> float:
    """What the pleasing message at every moment earns from the simulated person."""
    h, total = 0.1, 0.0
    for _ in range(STEPS):
        h = min(h + 0.1, 1.0)
        total += 10.0 * (1 - h)
    return total


def test_posterior_is_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    rows, targets = rng.standard_normal((30, 3)), rng.standard_normal(30)
    seen = Moments(3)
    for x, y in zip(rows, targets, strict=True):
        seen.add(x.tolist(), float(y))
    prior = Gaussian.independent((1.0, 0.0, -1.0), (0.5, 2.0, 1.0))
    found = Posterior(seen, prior, 0.3).mean
    precision = prior.precision + rows.T @ rows / 0.3
    expected = np.linalg.solve(precision, prior.precision @ prior.mean + rows.T @ targets / 0.3)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    z = normals("draws", 3 * 4000).reshape(3, 4000)
    spread = np.cov(Posterior(seen, prior, 0.3).deviations(z))
    np.testing.assert_allclose(spread, np.linalg.inv(precision), atol=0.002)


@pytest.mark.parametrize("width", [2, 4])
def test_a_mean_by_itself_is_that_of_the_posterior_bit_for_bit(width: int) -> None:
    rng = np.random.default_rng(width)
    seen, prior = Moments(width), Gaussian.independent((0.3,) * width, (0.7,) * width)
    for x, y in zip(rng.standard_normal((20, width)), rng.standard_normal(20), strict=True):
        seen.add(x.tolist(), float(y), 1.3)
        assert list(mean_of(seen, prior, 0.3)) == Posterior(seen, prior, 0.3).mean


def test_moments_are_summed_as_arrays_would_be_and_a_copy_goes_on_by_itself() -> None:
    rng = np.random.default_rng(5)
    seen, gram, shift = Moments(3), np.zeros((3, 3)), np.zeros(3)
    for x, y in zip(rng.standard_normal((10, 3)), rng.standard_normal(10).tolist(), strict=True):
        before, packed = seen.copied(), seen.packed()
        seen.add(x.tolist(), y, 0.7)
        gram += (x * 0.7)[:, None] * x
        shift += (x * 0.7) * y
        assert before.packed() == packed != seen.packed()
    assert seen.gram.tobytes() == gram.tobytes()
    assert seen.shift.tobytes() == shift.tobytes()
    assert seen.count == 10


def test_a_copy_of_a_model_goes_on_by_itself() -> None:
    model = PersonModel(cold_prior(2))
    here = Moment(0.5, 0.1, 0.1, 0)
    model.learn(Episode(here, 1, 1.0, here, False, False))
    copied = model.without_appeals()
    drawn = copied.draw("key", 2).reward.tobytes()
    model.learn(Episode(here, 1, -1.0, Moment(0.5, 0.2, 0.3, 1), False, False))
    assert copied.draw("key", 2).reward.tobytes() == drawn != model.draw("key", 2).reward.tobytes()
    assert (copied.seen, copied.stayed, copied.appeals) == (1, 0.1, [])


@pytest.mark.parametrize("allowance", [1, 3])
@pytest.mark.parametrize("renewed", [True, False])
def test_a_plan_is_what_bellmans_recursion_says_of_each_state(allowance: int, renewed: bool) -> None:
    """Looked up state by state: three moments, with an allowance that is renewed after each, or not at all.
    Nobody leaves: what the appeal adds is counted for who leaves at a later moment, not for who leaves now.
    """
    worlds = replace(PersonModel(cold_prior(2)).draw("plan", 3), limit=np.full(3, 2.0))
    appeals = np.array([0.2, 0.9])
    day = 1 if renewed else 3
    later, now = (Plan(worlds, appeals, steps, allowance, day, (3, 4)) for steps in (3, 4))
    for h, d in ((0.5, 1.0 / 3.0), (1.0, 2.0 / 3.0)):
        for left in range(1, allowance + 1):
            here = Moment(0.4, h, d, 0)
            for world, (waited, spoken) in enumerate(now.preferences(here, left).tolist()):
                expected = [
                    by_hand(
                        later, worlds, appeals, here, action, world, allowance if renewed else left - action
                    )
                    for action in (0, 1)
                ]
                assert [waited, spoken] == pytest.approx(expected, abs=1e-12)


def by_hand(
    later: Plan, worlds: Worlds, appeals: np.ndarray, at: Moment, action: int, world: int, left: int
) -> float:
    """What an action is worth: its reward, and the mean over the appeal of the best of what follows."""
    x = np.array([1.0 - at.habituation, at.habituation, at.appeal - 0.5, at.disengagement])
    u = worlds.resented[world, action]
    resented = np.clip(u @ [1.0 - at.appeal, at.appeal, at.habituation, at.disengagement], 0.0, 1.0)
    habit, outcomes = worlds.habit[world, action], []
    h = float(np.clip(at.habituation + habit @ [1.0, at.habituation], 0.0, 1.0))
    for reaction in (0, 1):
        rise = worlds.disengaged[world, action, reaction] @ [1.0, at.disengagement]
        d = float(np.clip(at.disengagement + rise, 0.0, 1.0))
        follows = 0.0
        # Between the grid's points the best is interpolated, not looked up.
        for a, share_a in corners(h, 3):
            for b, share_b in corners(d, 4):
                worth = [
                    later.preferences(Moment(p, a, b, 0), left)[world].tolist() for p in appeals.tolist()
                ]
                best = [max(each) if left else each[0] for each in worth]
                follows += share_a * share_b * float(np.mean(best))
        outcomes.append(float(worlds.reward[world, action, reaction] @ x) + follows)
    return float((1.0 - resented) * outcomes[0] + resented * outcomes[1])


def corners(value: float, points: int) -> list[tuple[float, float]]:
    """The grid's points about a value, and their shares."""
    low = min(int(value * (points - 1)), points - 2)
    over = value * (points - 1) - low
    return [(low / (points - 1), 1.0 - over), ((low + 1) / (points - 1), over)]


def test_cases_that_are_compared_come_out_as_each_by_itself() -> None:
    worlds = PersonModel(cold_prior(2)).draw("compared", 4)
    plan = Plan(worlds, np.array([0.2, 0.9]), 9, 3, 4, (3, 4))
    appeals = np.array([0.1, 0.5, 0.6, 0.9])
    cases = [(Moment(0.4, 0.3, 0.2, 2), 1), (Moment(0.4, 0.0, 0.0, 2), 1), (Moment(0.4, 0.3, 0.2, 2), 3)]
    found = plan.compared(cases, appeals)
    for case, (moment, left) in zip(found, cases, strict=True):
        assert case.tobytes() == plan.preferences(moment, left, appeals).tobytes()
    with pytest.raises(ValueError, match="one step"):
        plan.compared([*cases, (Moment(0.4, 0.3, 0.2, 3), 1)], appeals)


def test_a_surprising_reward_of_waiting_counts_no_more_than_is_usual() -> None:
    model = PersonModel(cold_prior(3))
    here, then = Moment(0.5, 0.1, 0.1, 0), Moment(0.5, 0.1, 0.1, 1)
    model.learn(Episode(here, 1, 10.0, then, False, False))
    model.learn(Episode(here, 0, 10_000.0, then, False, False))
    assert model.reward[0][0].squares <= 30.0**2 + 1e-6


def test_normals_have_mean_zero_and_variance_one() -> None:
    z = normals("many", 50_000)
    assert abs(z.mean()) < 0.02
    assert abs(z.var() - 1) < 0.03
    assert (np.abs(z) < 6).all()
    u = uniforms("many", 50_000)
    assert u.min() > 0
    assert u.max() < 1
    several = normals_of(["one", "two"], 21)
    assert several.tobytes() == np.stack([normals("one", 21), normals("two", 21)]).tobytes()


def test_waves_are_cosines() -> None:
    turns = np.linspace(-3, 3, 1001)
    np.testing.assert_allclose(cosine_of_turns(turns), np.cos(2 * np.pi * turns), atol=1e-5)


def test_a_prior_over_people_finds_their_mean_and_spread() -> None:
    rng = np.random.default_rng(3)
    people = []
    for _ in range(200):
        weights = np.array([1.0, -2.0]) + rng.standard_normal(2) * [0.5, 0.1]
        seen = Moments(2)
        for x in rng.standard_normal((15, 2)):
            seen.add(x.tolist(), float(x @ weights + 0.2 * rng.standard_normal()))
        people.append(seen)
    found = over_people(people, Gaussian.independent((0.0, 0.0), (1.0, 1.0)), 0.04)
    np.testing.assert_allclose(found.mean, [1.0, -2.0], atol=0.12)
    deviations = np.sqrt(np.diag(np.linalg.inv(found.precision)))
    np.testing.assert_allclose(deviations, [0.5, 0.1], atol=0.08)


def test_too_few_people_leave_the_start_as_it_was() -> None:
    start = Gaussian.independent((0.0,), (1.0,))
    assert over_people([Moments(1)] * 20, start, 1.0) is start


def losses(labels_of: str, rivals: bool = True, n: int = 300) -> float:
    """Share of misses in the second half."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, 2))
    labels = (x[:, 0] > 0) if labels_of == "linear" else (x[:, 0] * x[:, 1] > 0)
    arms, misses = Arms(2, 2), []
    for row, label in zip(x, labels.astype(int), strict=True):
        arm, _ = arms.choose(row)
        # Without rivalry both arms pay half the time, whatever the label.
        reward = float(arm == label) if rivals else float(rng.random() < 0.5)
        arms.learn(arm, reward)
        misses.append(1 - reward)
    return float(np.mean(misses[n // 2 :]))


def test_arms_learn_lines_and_what_is_not_a_line() -> None:
    assert losses("linear") < 0.12
    assert losses("crossed") < 0.3


def test_arms_keep_a_floor_and_replay() -> None:
    context = np.array([0.3, -1.0])
    units = Arms(2, 3, floor_units=200).probabilities(context)
    assert sum(units) == UNITS
    assert min(units) == 200
    chosen = []
    for _ in range(2):
        arms, rng = Arms(2, 3, "again"), np.random.default_rng(0)
        run = []
        for row in rng.standard_normal((40, 2)):
            arm, probabilities = arms.choose(row)
            arms.learn(arm, float(arm == 1))
            run.append((arm, probabilities))
        chosen.append(run)
    assert chosen[0] == chosen[1]
