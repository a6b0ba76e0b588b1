from collections import Counter
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.recommender.draws import UNITS, Draws, apportion, probability

weights = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=10).filter(lambda each: sum(each) > 1e-9)


@given(weights, st.integers(0, 500))
def test_shares_sum_to_one_and_keep_the_floor(given_weights: list[float], floor: int) -> None:
    shares = apportion(given_weights, floor)
    assert sum(shares) == UNITS
    assert min(shares) >= floor
    whole = sum(given_weights)
    for weight, share in zip(given_weights, shares, strict=True):
        exact = floor + weight * (UNITS - floor * len(shares)) / whole
        assert abs(share - exact) <= len(shares)


@given(weights)
def test_equal_weights_differ_by_a_unit_at_most_and_more_weight_is_never_less(each: list[float]) -> None:
    shares = apportion(each)
    for weight, share in zip(each, shares, strict=True):
        for other, other_share in zip(each, shares, strict=True):
            if weight >= other:
                assert share >= other_share - 1


def test_nothing_to_share_out_is_refused() -> None:
    for impossible in ([0.0, 0.0], [float("nan")]):
        with pytest.raises(ValueError, match="cannot apportion"):
            apportion(impossible)
    with pytest.raises(ValueError, match="cannot apportion"):
        apportion([1.0] * 3, UNITS)


def test_draws_meet_the_probabilities() -> None:
    shares, n = apportion([5.0, 3.0, 1.0, 0.0], 200), 40_000
    counts = Counter(Draws(f"{seed:032x}").pick(shares, 1) for seed in range(n))
    for index, share in enumerate(shares):
        p = probability(share)
        assert abs(counts[index] - n * p) < 5 * sqrt(n * p * (1 - p))


def test_draws_of_one_decision_do_not_lean_on_each_other() -> None:
    n = 20_000
    both = sum(
        1 for seed in range(n) if Draws(f"{seed:032x}").below(2, 0) == Draws(f"{seed:032x}").below(2, 1)
    )
    assert abs(both - n / 2) < 5 * sqrt(n / 4)


@given(st.text("0123456789abcdef", min_size=16, max_size=64), st.integers(1, UNITS), st.integers(0, 9))
def test_a_draw_is_the_same_every_time_and_below_its_bound(seed: str, n: int, draw: int) -> None:
    assert Draws(seed).below(n, draw) == Draws(seed).below(n, draw) < n


def test_bits_beyond_the_last_multiple_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    bits = iter([2**64 - 1, 7])
    monkeypatch.setattr(Draws, "bits", lambda *_: next(bits))
    assert Draws("00").below(3, 0) == 1


def test_probabilities_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to 0"):
        Draws("00").pick([0, 0], 1)
