"""A log to be evaluated, and what makes it unfit to be read."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
REQUIRED = ("action", "reward", "pscore", "action_dist", "q_hat")
ROW_SUM_TOLERANCE = 1e-3


class LogError(ValueError):
    """A log that cannot be read; the message names the file, the array and the remedy."""


@dataclass(frozen=True)
class Log:
    """One row a decision.

    action (n,) the arm played; reward (n,); pscore (n,) the logger's probability of that arm;
    action_dist (n, arms) the evaluated policy's probabilities; q_hat (n, arms) a reward model's predictions,
    fitted across folds; person (n,) whose decision it was, or None where the log does not say.
    """

    name: str
    action: npt.NDArray[np.int64]
    reward: Array
    pscore: Array
    action_dist: Array
    q_hat: Array
    person: npt.NDArray[np.int64] | None

    @property
    def rows(self) -> int:
        return len(self.action)

    @property
    def weight(self) -> Array:
        """(n,) importance weights, evaluated over logged probability of the played arm."""
        return np.asarray(self.of_played(self.action_dist) / self.pscore)

    def of_played(self, values: Array) -> Array:
        """(n, arms) -> (n,): the entry of the arm that was played."""
        return np.asarray(values[np.arange(self.rows), self.action])


def load(path: Path) -> Log:
    """Read NAME.npz. Raises LogError."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            named = {key: arrays[key] for key in arrays.files}
    except FileNotFoundError as error:
        raise LogError(f"{path}: there is no such file; give the path of an .npz log") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise LogError(
            f"{path}: not a readable .npz of plain arrays ({error}); write it with numpy.savez"
        ) from error
    return from_arrays(path.stem, named)


def from_arrays(name: str, named: dict[str, npt.NDArray[np.generic]]) -> Log:
    """Check the arrays and make them a Log. Raises LogError naming the array and the remedy."""

    def fail(array: str, wrong: str, remedy: str) -> LogError:
        return LogError(f"{name}: array `{array}` {wrong}; {remedy}")

    for array in REQUIRED:
        if array not in named:
            have = ", ".join(sorted(named)) or "none"
            raise fail(array, "is missing", f"add it (a log has {', '.join(REQUIRED)}; this file has {have})")

    def numbers(array: str, dimensions: int) -> Array:
        values = named[array]
        if values.dtype.kind not in "biuf":
            raise fail(array, f"has type {values.dtype}", "store it as integers or floats")
        if values.ndim != dimensions:
            shape = "(n,)" if dimensions == 1 else "(n, arms)"
            raise fail(array, f"has shape {values.shape}", f"give it the shape {shape}")
        numeric = np.asarray(values, dtype=np.float64)
        if not np.isfinite(numeric).all():
            row = int(np.argwhere(~np.isfinite(numeric))[0][0])
            raise fail(
                array, f"has a NaN or infinity, first in row {row}", "drop such rows or fill in their value"
            )
        return numeric

    action, reward, pscore = (numbers(array, 1) for array in ("action", "reward", "pscore"))
    action_dist, q_hat = numbers("action_dist", 2), numbers("q_hat", 2)
    n = len(action)
    if n == 0:
        raise fail("action", "is empty", "a log needs at least one decision")
    for array, values in {
        "reward": reward,
        "pscore": pscore,
        "action_dist": action_dist,
        "q_hat": q_hat,
    }.items():
        if len(values) != n:
            raise fail(
                array, f"has {len(values)} rows where `action` has {n}", "give every array one row a decision"
            )
    if q_hat.shape != action_dist.shape:
        raise fail(
            "q_hat", f"has shape {q_hat.shape}", f"give it the shape of `action_dist`, {action_dist.shape}"
        )
    arms = action_dist.shape[1]
    if (action != np.floor(action)).any():
        raise fail("action", "has entries that are not whole", "store the index of the played arm")
    if (action < 0).any() or (action >= arms).any():
        outside = int(np.flatnonzero((action < 0) | (action >= arms))[0])
        raise fail(
            "action",
            f"is {int(action[outside])} in row {outside}",
            f"arms are 0 to {arms - 1}, the columns of `action_dist`",
        )
    if (pscore <= 0).any() or (pscore > 1 + ROW_SUM_TOLERANCE).any():
        row = int(np.flatnonzero((pscore <= 0) | (pscore > 1 + ROW_SUM_TOLERANCE))[0])
        raise fail(
            "pscore",
            f"is {pscore[row]:g} in row {row}",
            "it is the probability of an arm that was played, above 0 and at most 1; log it at the decision",
        )
    if (action_dist < 0).any():
        row = int(np.argwhere(action_dist < 0)[0][0])
        raise fail("action_dist", f"is negative in row {row}", "give probabilities")
    sums = action_dist.sum(1)
    if (np.abs(sums - 1) > ROW_SUM_TOLERANCE).any():
        row = int(np.argmax(np.abs(sums - 1)))
        raise fail("action_dist", f"sums to {sums[row]:g} in row {row}", "divide each row by its sum")
    return Log(name, action.astype(np.int64), reward, pscore, action_dist, q_hat, people(fail, named, n))


def people(
    fail: Callable[[str, str, str], LogError], named: dict[str, npt.NDArray[np.generic]], n: int
) -> npt.NDArray[np.int64] | None:
    """(n,) a number for each person, from the optional array `person` of any plain type."""
    if "person" not in named:
        return None
    person = named["person"]
    if person.shape != (n,):
        raise fail("person", f"has shape {person.shape}", f"give it the shape ({n},)")
    if person.dtype.kind == "f" and not np.isfinite(person.astype(np.float64)).all():
        raise fail("person", "has a NaN or infinity", "give every row its person")
    _, numbered = np.unique(person, return_inverse=True)
    return np.asarray(numbered, dtype=np.int64)
