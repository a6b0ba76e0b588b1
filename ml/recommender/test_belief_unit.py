import copy
import doctest
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import checks

import ml.recommender.belief
from ml.recommender.belief import Belief
from ml.recommender.prior import Prior, independent

N = 5


def prior_from(seed: int, forgetting: float = 1.0) -> Prior:
    """A prior with correlations and a mean that is not zero."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(N, N))
    precision = a @ a.T + np.eye(N)
    return Prior(
        version="test",
        features="any",
        names=tuple(f"f{i}" for i in range(N)),
        mean=tuple(rng.normal(size=N)),
        precision=tuple(tuple(row[: i + 1]) for i, row in enumerate(precision)),
        noise_variance=0.3,
        forgetting=forgetting,
    )


def data(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed + 1)
    return rng.normal(size=(n, N)), rng.normal(size=n)


def test_it_passes_rivers_own_checks() -> None:
    for parameters in Belief._unit_test_params():
        checks.check_estimator(Belief(**parameters))


def test_the_example_in_its_documentation_runs() -> None:
    assert doctest.testmod(ml.recommender.belief).failed == 0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 30), st.floats(0.5, 1.0))
def test_the_posterior_is_the_closed_form(seed: int, n: int, forgetting: float) -> None:
    """The recursion, written out: observation i of n weighs λⁿ⁻¹⁻ⁱ, and the prior is never forgotten."""
    prior = prior_from(seed, forgetting)
    x, y = data(seed, n)
    belief = Belief(prior)
    for row, target in zip(x, y, strict=True):
        belief.learn_one({f"f{i}": value for i, value in enumerate(row)}, target)
    weights = forgetting ** np.arange(n - 1, -1, -1) / prior.noise_variance
    precision0, _ = prior.arrays
    precision = precision0 + (x.T * weights) @ x
    mean = np.linalg.solve(precision, precision0 @ np.array(prior.mean) + x.T @ (weights * y))
    np.testing.assert_allclose(belief.mean, mean, rtol=1e-7, atol=1e-8)
    direction = np.arange(1.0, N + 1)
    expected = direction @ np.linalg.solve(precision, direction)
    assert belief.variance(direction) == pytest.approx(expected, rel=1e-7)
    assert belief.predict_one({"f1": 2.0, "f3": -1.0}) == pytest.approx(2 * mean[1] - mean[3])


def test_before_any_answer_it_believes_the_prior() -> None:
    prior = prior_from(1)
    np.testing.assert_allclose(Belief(prior).mean, prior.mean)


def test_what_is_not_confirmed_is_forgotten_toward_the_prior() -> None:
    belief = Belief(prior_from(2, forgetting=0.8))
    for _ in range(10):
        belief.learn(np.ones(N), 5.0)
    far = abs(belief.predict_one({"f0": 1.0}) - belief.prior.mean[0])  # type: ignore[union-attr]
    for _ in range(100):
        belief.learn(np.zeros(N), 0.0)
    assert abs(belief.predict_one({"f0": 1.0}) - belief.prior.mean[0]) < far / 1000  # type: ignore[union-attr]


@given(st.integers(0, 1000), st.lists(st.integers(1, 10), min_size=1, max_size=5))
def test_the_posterior_does_not_depend_on_batching(seed: int, batches: list[int]) -> None:
    """Stopped, stored, asked and started again between any two answers, every bit is the same."""
    x, y = data(seed, sum(batches))
    straight, broken = Belief(prior_from(seed, 0.99)), Belief(prior_from(seed, 0.99))
    for row, target in zip(x, y, strict=True):
        straight.learn(row, target)
    start = 0
    for size in batches:
        for row, target in zip(x[start : start + size], y[start : start + size], strict=True):
            broken.learn(row, target)
        assert broken.mean.size == N
        broken, start = pickle.loads(pickle.dumps(copy.deepcopy(broken))), start + size
    assert straight.digest == broken.digest
    assert straight.mean.tobytes() == broken.mean.tobytes()


def test_the_digest_tells_states_apart() -> None:
    prior = prior_from(3)
    one, other = Belief(prior), Belief(prior)
    assert one.digest == other.digest
    one.learn(np.ones(N), 1.0)
    assert one.digest != other.digest
    other.learn(np.ones(N), np.nextafter(1.0, 2.0))
    assert one.digest != other.digest


def test_an_answer_that_weighs_twice_is_two_answers() -> None:
    prior = prior_from(4)
    twice, double = Belief(prior), Belief(prior)
    for _ in range(2):
        twice.learn(np.ones(N), 0.5)
    double.learn(np.ones(N), 0.5, weight=2.0)
    np.testing.assert_allclose(twice.mean, double.mean)


def test_a_prior_of_single_weights_has_their_means_and_deviations() -> None:
    prior = independent("x", "any", {"a": (0.5, 0.1), "b": (-1.0, 2.0)}, 0.25, 1.0)
    belief = Belief(prior)
    np.testing.assert_allclose(belief.mean, [0.5, -1.0])
    assert belief.variance(np.array([1.0, 0.0])) == pytest.approx(0.01)
    assert belief.variance(np.array([0.0, 1.0])) == pytest.approx(4.0)
