"""The bench's worlds, asked over a pipe: they live in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from ml.evaluation.moments.parameters import World

ROOT = Path(__file__).resolve().parents[3]


class Refused(ValueError):
    """A world cannot be made with these parameters."""


class Worlds:
    """A process of the bench's environment; one world at a time."""

    def __init__(self, python: Path) -> None:
        own = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [str(python), "-m", "ml.evaluation.moments.worlds"],
            env={**os.environ, **own},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Worlds:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def make(self, world: World, seed: int) -> None:
        """Raises Refused."""
        self._ask("make", world, seed)

    def reset(self) -> list[float]:
        """P, H and D."""
        observed: list[float] = self._ask("reset")
        return observed

    def step(self, action: int) -> tuple[list[float], float, bool]:
        """P, H and D after it, the reward, and whether the day is over."""
        observed, reward, done = self._ask("step", action)
        return observed, reward, done

    def optimum(self, world: World) -> float:
        """Mean return an episode of who knows the world's parameters."""
        return float(self._ask("optimum", world))

    def _ask(self, name: str, *arguments: object) -> Any:
        asked, answers = self._process.stdin, self._process.stdout
        if asked is None or answers is None:
            raise RuntimeError("the worlds' process has no pipes")
        asked.write(json.dumps([name, arguments]) + "\n")
        asked.flush()
        line = answers.readline()
        if not line:
            raise RuntimeError("the worlds' process ended; what it said stands above")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["answer"]
