"""The bandit bench's protocol and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ml.evaluation import bandit
from ml.evaluation.bandit import Labelled, SetError, bench, from_arrays, interval, load, main


def separable(n: int = 60) -> dict[str, npt.NDArray[np.generic]]:
    x = np.random.default_rng(0).standard_normal((n, 3))
    return {"X": x, "y": np.where(x[:, 0] > 0, "yes", "no")}


def test_the_loss_is_the_share_of_rows_that_paid_nothing(tmp_path: Path) -> None:
    source, out = tmp_path / "line.npz", tmp_path / "out.json"
    np.savez(source, allow_pickle=False, **separable())
    assert main([str(source), "--seeds", "2", "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert set(found) == {"line"}
    assert set(found["line"]) == {"loss", "interval"}
    losses = bench(load(source), 2, keep_order=False)
    assert losses.shape == (2, 60)
    assert set(np.unique(losses)) <= {0.0, 1.0}
    assert found["line"]["loss"] == pytest.approx(losses.mean())
    assert losses[:, 30:].mean() < losses[:, :30].mean()


def test_kept_order_is_the_order_played(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[npt.NDArray[np.int64]] = []

    def remember(_: Labelled, order: npt.NDArray[np.int64], __: str) -> npt.NDArray[np.float64]:
        seen.append(order)
        return np.zeros(len(order))

    monkeypatch.setattr(bandit, "play", remember)
    data = from_arrays("line", separable())
    bench(data, 1, keep_order=True)
    bench(data, 1, keep_order=False)
    assert (seen[0] == np.arange(60)).all()
    assert (seen[1] == np.random.default_rng(0).permutation(60)).all()


def test_the_interval_narrows_with_seeds_that_agree() -> None:
    low, high = interval(np.array([0.1, 0.11, 0.09]), 100)
    wide_low, wide_high = interval(np.array([0.1, 0.3, 0.0]), 100)
    assert low < 0.1 < high
    assert wide_high - wide_low > high - low


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"X": np.zeros(60)}, "array `X`"),
        ({"y": np.zeros(3)}, "array `y` has shape"),
        ({"y": np.zeros(60)}, "one label only"),
        ({"X": np.full((60, 3), np.nan)}, "array `X` has a NaN"),
    ],
)
def test_wrong_sets_name_the_array(change: dict[str, npt.NDArray[np.generic]], words: str) -> None:
    with pytest.raises(SetError, match=words):
        from_arrays("set", {**separable(), **change})


def test_a_missing_array_is_named() -> None:
    with pytest.raises(SetError, match="array `y` is missing"):
        from_arrays("set", {"X": np.zeros((3, 2))})
