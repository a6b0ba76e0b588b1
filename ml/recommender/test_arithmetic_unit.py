import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.recommender.arithmetic import (
    NotPositiveDefinite,
    cholesky,
    dot,
    factored,
    outer,
    solve_lower,
    solve_upper,
    solve_upper_each,
    solved,
    solved_of_four,
    squash,
    total,
)


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_factor_and_solutions_are_those_of_lapack(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, n))
    matrix, right = a @ a.T + np.eye(n), rng.normal(size=n)
    factor = cholesky(matrix)
    np.testing.assert_allclose(factor, np.linalg.cholesky(matrix), rtol=1e-9, atol=1e-12)
    solution = solve_upper(factor, solve_lower(factor, right))
    np.testing.assert_allclose(solution, np.linalg.solve(matrix, right), rtol=1e-7, atol=1e-9)
    many = rng.normal(size=(n, 3))
    # One right side more must not change a bit of the others.
    np.testing.assert_array_equal(solve_lower(factor, many)[:, 1], solve_lower(factor, many[:, 1]))
    np.testing.assert_array_equal(solve_upper(factor, many)[:, 1], solve_upper(factor, many[:, 1]))
    both = solve_upper_each(np.stack([factor, 2.0 * factor]), np.stack([many, many]))
    assert both.tobytes() == np.stack([solve_upper(each, many) for each in (factor, 2.0 * factor)]).tobytes()


@given(st.lists(st.floats(-1e6, 1e6), max_size=60))
def test_sums_go_from_left_to_right(values: list[float]) -> None:
    expected = 0.0
    for value in values:
        expected += value
    assert total(values) == expected
    assert dot(np.array(values), np.ones(len(values))) == expected


def test_a_matrix_without_a_factor_is_refused() -> None:
    with pytest.raises(NotPositiveDefinite, match="pivot 1"):
        cholesky(outer(np.array([1.0, 2.0]), np.array([1.0, 2.0])))


@given(st.floats(-1e100, 1e100), st.floats(-1e100, 1e100))
def test_squash_is_an_s_curve(x: float, y: float) -> None:
    assert 0.0 <= squash(x) <= 1.0
    assert squash(x) + squash(-x) == pytest.approx(1.0)
    if x <= y:
        assert squash(x) <= squash(y)


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_a_few_unknowns_are_solved_as_many_are(seed: int, n: int) -> None:
    """On plain floats and on arrays the bits are the same."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, n))
    matrix, right = a @ a.T + 0.1 * np.eye(n), rng.normal(size=n)
    factor = cholesky(matrix)
    rows, solution = matrix.tolist(), solve_upper(factor, solve_lower(factor, right)).tolist()
    assert np.array(factored(rows)).tobytes() == factor.tobytes()
    assert solved(factored(rows), right.tolist()) == solution
    if n == 4:
        assert list(solved_of_four(matrix.reshape(-1).tolist(), right.tolist())) == solution


@pytest.mark.parametrize("pivot", range(4))
def test_a_few_rows_without_a_factor_are_refused(pivot: int) -> None:
    rows = np.eye(4)
    rows[pivot, pivot] = 0.0
    with pytest.raises(NotPositiveDefinite, match=f"pivot {pivot}"):
        factored(rows.tolist())
    with pytest.raises(NotPositiveDefinite, match=f"pivot {pivot}"):
        solved_of_four(rows.reshape(-1).tolist(), [0.0] * 4)
