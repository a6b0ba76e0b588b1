"""Bandit bench: `python -m ml.evaluation.bandit FILE.npz... [--seeds 5] [--keep-order] --json OUT`.

Each file has `X` (n, features) and `y` (n,), labels of any plain type. One pass: a row is shown, an arm is
chosen, the reward is 1 when the arm is the row's label; the loss is the share of rows that paid nothing. Rows
are shuffled by `numpy.random.default_rng(seed)`; `--keep-order` plays them as they lie, and seeds then change
the learner's waves. The interval is Student's over seeds, 95%.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ml.evaluation.ope.intervals import student_quantile
from ml.recommender.policies.learned_v2 import LearnedPolicy

Array = npt.NDArray[np.float64]
PROGRESS_ROWS = 500
POLICY = LearnedPolicy
"""The class that oO serves as `learned`."""


class SetError(ValueError):
    """A set that cannot be played; the message names the file, the array and the remedy."""


@dataclass(frozen=True)
class Labelled:
    """`rows` (n, features), `labels` (n,) from 0 to `arms` - 1."""

    name: str
    rows: Array
    labels: npt.NDArray[np.int64]
    arms: int


def load(path: Path) -> Labelled:
    """Raises SetError."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            named = {key: arrays[key] for key in arrays.files}
    except FileNotFoundError as error:
        raise SetError(f"{path}: there is no such file; give the path of an .npz set") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise SetError(f"{path}: not a readable .npz of plain arrays ({error}); use numpy.savez") from error
    return from_arrays(path.stem, named)


def from_arrays(name: str, named: dict[str, npt.NDArray[np.generic]]) -> Labelled:
    """Raises SetError."""
    for array in ("X", "y"):
        if array not in named:
            raise SetError(f"{name}: array `{array}` is missing; a set has X (n, features) and y (n,)")
    x, y = named["X"], named["y"]
    if x.ndim != 2 or x.dtype.kind not in "biuf":
        raise SetError(
            f"{name}: array `X` is {x.dtype} of shape {x.shape}; give numbers of shape (n, features)"
        )
    if y.shape != (len(x),) or len(x) == 0:
        raise SetError(f"{name}: array `y` has shape {y.shape}; give one label for each of the {len(x)} rows")
    rows = np.asarray(x, dtype=np.float64)
    if not np.isfinite(rows).all():
        row = int(np.argwhere(~np.isfinite(rows))[0][0])
        raise SetError(f"{name}: array `X` has a NaN or infinity in row {row}; drop it or fill it in")
    if y.dtype.kind == "f" and not np.isfinite(np.asarray(y, dtype=np.float64)).all():
        raise SetError(f"{name}: array `y` has a NaN or infinity; drop such rows")
    kinds, labels = np.unique(y, return_inverse=True)
    if len(kinds) < 2:
        raise SetError(f"{name}: array `y` has one label only; there is nothing to choose")
    return Labelled(name, rows, np.asarray(labels, dtype=np.int64), len(kinds))


def play(data: Labelled, order: npt.NDArray[np.int64], key: str) -> Array:
    """(n,) loss of each row in the order played."""
    learner = POLICY.arms(data.rows.shape[1], data.arms, key)
    losses = np.zeros(len(order))
    for place, row in enumerate(order.tolist()):
        arm, _ = learner.choose(data.rows[row])
        hit = arm == int(data.labels[row])
        learner.learn(arm, float(hit))
        losses[place] = float(not hit)
        if (place + 1) % PROGRESS_ROWS == 0:
            print(f"{data.name}: {place + 1} of {len(order)} rows", file=sys.stderr, flush=True)
    return losses


def bench(data: Labelled, seeds: int, keep_order: bool) -> Array:
    """(seeds, n) losses."""
    n = len(data.labels)
    losses = []
    for seed in range(seeds):
        if keep_order:
            losses.append(play(data, np.arange(n), f"arms {seed}" if seed else "arms"))
        else:
            losses.append(play(data, np.random.default_rng(seed).permutation(n), "arms"))
    return np.stack(losses)


def interval(means: Array, rows: int) -> tuple[float, float]:
    """95%, over seeds; with a single seed over rows, as if they were independent."""
    mean = float(means.mean())
    if len(means) > 1:
        error = float(means.std(ddof=1)) / math.sqrt(len(means))
        half = student_quantile(0.975, len(means) - 1) * error
    else:
        half = student_quantile(0.975, math.inf) * math.sqrt(mean * (1 - mean) / rows)
    return max(mean - half, 0.0), min(mean + half, 1.0)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ml.evaluation.bandit", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.npz")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--keep-order", action="store_true", help="play rows as they lie")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--plot", type=Path, metavar="OUT.svg", help="running loss of each set")
    options = parser.parse_args(argv)
    if options.seeds < 1:
        print(f"--seeds is {options.seeds}; give 1 or more", file=sys.stderr)
        return 2
    twice = [name for name, count in Counter(path.stem for path in options.files).items() if count > 1]
    if twice:
        print(
            f"two files are named {twice[0]}.npz: the output has one entry a name; rename one",
            file=sys.stderr,
        )
        return 2
    try:
        sets = [load(path) for path in options.files]
    except SetError as error:
        print(error, file=sys.stderr)
        return 2
    found: dict[str, dict[str, object]] = {}
    curves: dict[str, Array] = {}
    for data in sets:
        losses = bench(data, options.seeds, options.keep_order)
        means = losses.mean(1)
        low, high = interval(means, losses.shape[1])
        found[data.name] = {"loss": float(means.mean()), "interval": [low, high]}
        curves[data.name] = np.cumsum(losses.mean(0)) / np.arange(1, losses.shape[1] + 1)
        print(f"{data.name}: loss {means.mean():.4f}, 95% from {low:.4f} to {high:.4f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        plot(options.plot, curves)
    return 0


def plot(path: Path, curves: dict[str, Array]) -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in curves.items():
        axes.plot(np.arange(1, len(curve) + 1), curve, label=name)
    axes.set_xlabel("row")
    axes.set_ylabel("loss so far, mean over seeds")
    axes.legend(fontsize="small")
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
