"""Estimates against plain loops, refusals, wrong input, and the intervals' promise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.evaluation.ope.__main__ import main
from ml.evaluation.ope.estimators import effective_sample_size, estimates, scores
from ml.evaluation.ope.intervals import (
    anytime,
    bootstrap,
    empirical_bernstein,
    of_dr,
    robust,
    spread,
    student_quantile,
)
from ml.evaluation.ope.log import Log, LogError, from_arrays, load
from ml.evaluation.ope.report import REPORTED, details
from ml.evaluation.ope.support import refusal
from ml.evaluation.ope.trajectories import whole_trajectories
from ml.evaluation.synthetic_logs import Setting, draw_logs, make_world

Arrays = dict[str, npt.NDArray[np.generic]]


def arrays(seed: int = 0, n: int = 200, arms: int = 4) -> Arrays:
    """A log by a uniform logger of a policy that leans to arm 0."""
    rng = np.random.default_rng(seed)
    action = rng.integers(arms, size=n)
    lean = np.tile(np.r_[0.55, np.full(arms - 1, 0.45 / (arms - 1))], (n, 1))
    return {
        "action": action,
        "reward": (rng.random(n) < 0.3 + 0.2 * (action == 0)).astype(np.float64),
        "pscore": np.full(n, 1 / arms),
        "action_dist": lean,
        "q_hat": rng.random((n, arms)),
    }


def store(path: Path, named: Arrays) -> None:
    np.savez(path, allow_pickle=False, **named)


def test_estimates_agree_with_loops_over_the_textbook_formulas() -> None:
    log = from_arrays("log", arrays())
    rows = []
    for i in range(log.rows):
        a = int(log.action[i])
        w = log.action_dist[i, a] / log.pscore[i]
        v = sum(p * q for p, q in zip(log.action_dist[i], log.q_hat[i], strict=True))
        rows.append((w, log.reward[i], v, log.reward[i] - log.q_hat[i, a]))
    n, total = len(rows), sum(w for w, _, _, _ in rows)
    expected = {
        "dm": sum(v for _, _, v, _ in rows) / n,
        "ipw": sum(w * r for w, r, _, _ in rows) / n,
        "snipw": sum(w * r for w, r, _, _ in rows) / total,
        "dr": sum(v + w * e for w, _, v, e in rows) / n,
        "sndr": sum(v for _, _, v, _ in rows) / n + sum(w * e for w, _, _, e in rows) / total,
        "switch_dr": sum(v + (w * e if w <= 1.0 else 0.0) for w, _, v, e in rows) / n,
        "dros": sum(v + 2.0 * w / (w * w + 2.0) * e for w, _, v, e in rows) / n,
    }
    found = estimates(log, tau=1.0, shrinkage=2.0)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    assert found["switch_dr"] != pytest.approx(found["dr"])


def test_replay_averages_matching_rows_only() -> None:
    named = arrays()
    arm_one = np.zeros((200, 4))
    arm_one[:, 1] = 1.0
    log = from_arrays("log", {**named, "action_dist": arm_one})
    assert estimates(log)["replay"] == pytest.approx(log.reward[log.action == 1].mean())
    assert estimates(from_arrays("log", named))["replay"] is None


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.95))
def test_evaluating_the_logger_itself_gives_the_mean_reward(seed: int, share: float) -> None:
    named = arrays(seed, n=50, arms=2)
    policy = np.tile([share, 1 - share], (50, 1))
    played = policy[np.arange(50), named["action"].astype(np.int64)]
    log = from_arrays("log", {**named, "action_dist": policy, "pscore": played})
    found = estimates(log)
    assert found["ipw"] == pytest.approx(log.reward.mean())
    assert found["snipw"] == pytest.approx(log.reward.mean())
    assert effective_sample_size(log.weight) == pytest.approx(50)


def test_no_support_is_refused_though_every_weight_is_equal() -> None:
    named = arrays()
    elsewhere = np.tile([0.04, 0.03, 0.03, 0.03, 0.87], (200, 1))
    log = from_arrays("log", {**named, "action_dist": elsewhere, "q_hat": np.zeros((200, 5))})
    assert effective_sample_size(log.weight) > 150
    reason = refusal(log)
    assert reason is not None
    assert "no support" in reason
    assert "never played: 4" in reason


def test_a_policy_that_is_never_matched_is_refused() -> None:
    named = arrays()
    other = np.zeros((200, 5))
    other[:, 4] = 1.0
    log = from_arrays("log", {**named, "action_dist": other, "q_hat": np.zeros((200, 5))})
    reason = refusal(log)
    assert reason is not None
    assert "no support" in reason


def test_a_handful_of_effective_rows_is_refused() -> None:
    named = arrays(n=400)
    named["pscore"] = np.where(np.arange(400) < 3, 0.002, 0.9)
    reason = refusal(from_arrays("log", named))
    assert reason is not None
    assert "effective sample size" in reason


def test_understated_propensities_are_refused() -> None:
    named = arrays(n=2000)
    named["pscore"] = np.full(2000, 0.2)
    reason = refusal(from_arrays("log", named))
    assert reason is not None
    assert "`pscore` is lower" in reason


def test_rewards_without_any_difference_are_refused() -> None:
    reason = refusal(from_arrays("log", {**arrays(), "reward": np.zeros(200)}))
    assert reason is not None
    assert "every reward is 0" in reason


def test_sound_logs_are_not_refused() -> None:
    fixed = Setting("fixed", n=400)
    learning = Setting("learning", n=400, logger="epsilon-greedy", floor=0.1)
    for setting, allowed in ((fixed, 0), (learning, 4)):
        logs = [log for seed in range(4) for log in draw_logs(make_world(setting, seed, 2000), seed, 50)]
        assert sum(refusal(log) is not None for log in logs) <= allowed


def nan_reward(named: Arrays) -> None:
    named["reward"] = np.full(200, np.nan)


def negative_pscore(named: Arrays) -> None:
    named["pscore"] = np.full(200, -0.1)


def zero_pscore(named: Arrays) -> None:
    named["pscore"] = np.zeros(200)


def long_reward(named: Arrays) -> None:
    named["reward"] = np.zeros(201)


def flat_policy(named: Arrays) -> None:
    named["action_dist"] = np.zeros(200)


def unnormalised_policy(named: Arrays) -> None:
    named["action_dist"] = np.full((200, 4), 0.5)


def narrow_model(named: Arrays) -> None:
    named["q_hat"] = np.zeros((200, 3))


def unknown_arm(named: Arrays) -> None:
    named["action"] = np.full(200, 4)


def half_arm(named: Arrays) -> None:
    named["action"] = np.full(200, 0.5)


def no_rows(named: Arrays) -> None:
    named["action"] = np.zeros(0)


def words(named: Arrays) -> None:
    named["reward"] = np.full(200, "much")


def missing_model(named: Arrays) -> None:
    del named["q_hat"]


def short_people(named: Arrays) -> None:
    named["person"] = np.zeros(3)


@pytest.mark.parametrize(
    ("break_it", "array"),
    [
        (nan_reward, "reward"),
        (negative_pscore, "pscore"),
        (zero_pscore, "pscore"),
        (long_reward, "reward"),
        (flat_policy, "action_dist"),
        (unnormalised_policy, "action_dist"),
        (narrow_model, "q_hat"),
        (unknown_arm, "action"),
        (half_arm, "action"),
        (no_rows, "action"),
        (words, "reward"),
        (missing_model, "q_hat"),
        (short_people, "person"),
    ],
)
def test_wrong_input_names_the_array_and_the_remedy(break_it: object, array: str) -> None:
    named = arrays()
    assert callable(break_it)
    break_it(named)
    with pytest.raises(LogError, match=f"^log: array `{array}` .*; .+"):
        from_arrays("log", named)


def test_files_that_are_no_logs_say_so(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no such file"):
        load(tmp_path / "absent.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 but not a zip")
    with pytest.raises(LogError, match=r"numpy\.savez"):
        load(tmp_path / "broken.npz")


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),
    [(0.975, 3, 3.182446), (0.975, 10, 2.228139), (0.995, 1, 63.656741), (0.975, 1e9, 1.959964)],
)
def test_student_quantiles_agree_with_tables(probability: float, freedom: float, quantile: float) -> None:
    assert student_quantile(probability, freedom) == pytest.approx(quantile, abs=1e-5)


@pytest.mark.parametrize(
    "setting",
    [
        Setting("fixed", n=300),
        Setting("small", n=80, arms=3, noise="normal"),
        Setting("learning", n=300, arms=3, logger="epsilon-greedy", floor=0.15),
    ],
    ids=lambda setting: setting.name,
)
def test_intervals_cover_the_truth_and_are_not_wide(setting: Setting) -> None:
    covered, widths = [], []
    for number in range(5):
        world = make_world(setting, number, 20_000)
        logs = draw_logs(world, number, 60)
        truth = np.sqrt(np.mean([(scores(log).mean() - world.value) ** 2 for log in logs]))
        for log in logs:
            low, high = robust(of_dr(log))
            covered.append(low <= world.value <= high)
            widths.append((high - low) / (3.92 * truth))
    assert np.mean(covered) >= 0.92  # of 300 logs: two standard errors below .95
    assert np.mean(widths) <= 1.3


def test_the_anytime_interval_holds_at_every_step_of_a_learning_logger() -> None:
    world = make_world(Setting("learning", n=150, arms=3, logger="thompson", floor=0.3), 1, 20_000)
    missed = 0
    for log in draw_logs(world, 1, 40):
        bounds = [anytime(log.weight[:t], log.reward[:t], (0.0, 1.0)) for t in range(10, 151, 10)]
        missed += any(not low <= world.value <= high for low, high in bounds)
    assert missed <= 4


def test_people_widen_the_interval_when_their_decisions_agree() -> None:
    person = np.repeat(np.arange(20), 10)
    values = np.repeat(np.random.default_rng(0).standard_normal(20), 10)
    alone, together = spread(values), spread(values, person=person)
    assert together.error == pytest.approx(alone.error * np.sqrt(10), rel=0.05)
    low, high = bootstrap(values, person, seed=0)
    narrow_low, narrow_high = bootstrap(values, None, seed=0)
    assert high - low > 2 * (narrow_high - narrow_low)
    assert empirical_bernstein(values)[0] < values.mean() < empirical_bernstein(values)[1]


def test_sequences_are_answered_near_the_logger_and_refused_far_from_it() -> None:
    named = arrays(n=2000)
    person = np.repeat(np.arange(100), 20)
    same = from_arrays("log", {**named, "action_dist": np.full((2000, 4), 0.25), "person": person})
    near = whole_trajectories(same)
    assert near.refused is None
    assert near.value == pytest.approx(same.reward.mean())
    far = whole_trajectories(from_arrays("log", {**named, "person": person}))
    assert far.value is None
    assert far.refused is not None
    assert "effective people" in far.refused
    unknown = whole_trajectories(from_arrays("log", named))
    assert unknown.refused is not None
    assert "`person`" in unknown.refused


def test_details_say_what_is_estimated() -> None:
    named = {**arrays(), "person": np.repeat(np.array([f"p{i}" for i in range(20)]), 10)}
    found = details(from_arrays("log", named), seed=0)
    assert found["units"] == "people"
    assert found["people"] == 20
    intervals = found["intervals"]
    assert isinstance(intervals, dict)
    assert set(intervals) == {"robust", "empirical_bernstein", "bootstrap", "anytime"}


def test_the_command_writes_one_entry_a_file(tmp_path: Path) -> None:
    store(tmp_path / "one.npz", arrays(1))
    store(tmp_path / "two.npz", {**arrays(2), "reward": np.ones(200)})
    out = tmp_path / "out.json"
    plot = tmp_path / "out.svg"
    files = [str(tmp_path / "one.npz"), str(tmp_path / "two.npz")]
    assert main([*files, "--json", str(out), "--plot", str(plot)]) == 0
    found = json.loads(out.read_text())
    assert set(found) == {"one", "two"}
    assert list(found["one"]) == [*REPORTED, "interval", "ess", "refused"]
    assert found["one"]["refused"] is None
    assert found["one"]["interval"][0] < found["one"]["dr"] < found["one"]["interval"][1]
    assert found["two"]["interval"] is None
    assert "every reward is 1" in found["two"]["refused"]
    assert "refused" in plot.read_text()


def test_the_command_fails_on_wrong_input_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(tmp_path / "bad.npz", {**arrays(), "pscore": np.zeros(200)})
    out = tmp_path / "out.json"
    assert main([str(tmp_path / "bad.npz"), "--json", str(out)]) == 2
    assert "bad: array `pscore` is 0 in row 0" in capsys.readouterr().err
    assert not out.exists()


def test_loaded_arrays_are_the_log(tmp_path: Path) -> None:
    named = arrays()
    store(tmp_path / "kept.npz", named)
    log = load(tmp_path / "kept.npz")
    assert isinstance(log, Log)
    assert (log.action == named["action"]).all()
    assert log.person is None
