"""The arithmetic rule: decisions run on + − × ÷ √ in a fixed order, on nothing that machines round apart."""

import ast
import importlib
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ml.recommender.fold import fold
from ml.recommender.policies import CURRENT
from ml.recommender.replay import replay
from ml.testing.life import Life

ROOT = Path(__file__).parents[2]
BATCHES = ("empirical_bayes", "global_prior", "lessons")
"""They run apart from decisions, and what they find is recorded."""
DECIDING = sorted(
    file
    for folder in ("ml/features", "ml/recommender", "ml/recommender/policies", "ml/learning")
    for file in (ROOT / folder).glob("*.py")
    if not file.name.startswith("test_") and file.stem not in BATCHES
)

# What is exact, or no arithmetic at all.
MATH_ALLOWED = {"sqrt", "floor", "isnan", "isinf", "isfinite", "copysign"}
NUMPY_FORBIDDEN = """
    dot vdot inner tensordot matmul einsum kron cross trace cov corrcoef average mean std var sum prod nansum
    power float_power exp exp2 expm1 log log2 log10 log1p logaddexp logaddexp2 sin cos tan arcsin arccos
    arctan arctan2 hypot sinh cosh tanh arcsinh arccosh arctanh cbrt convolve correlate polyfit polyval interp
""".split()  # noqa: SIM905
LINALG_FORBIDDEN = [name for name in np.linalg.__all__ if name != "LinAlgError"]


class Forbidden(Exception):
    """Something was called that rounds differently from machine to machine."""


@pytest.fixture
def nothing_but_arithmetic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def forbid(owner: object, name: str) -> None:
        def raising(*_: object, **__: object) -> None:
            raise Forbidden(name)

        monkeypatch.setattr(owner, name, raising)

    for name in NUMPY_FORBIDDEN:
        if hasattr(np, name):
            forbid(np, name)
    for name in LINALG_FORBIDDEN:
        forbid(np.linalg, name)
    for name in dir(math):
        if callable(getattr(math, name)) and not name.startswith("_") and name not in MATH_ALLOWED:
            forbid(math, name)
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("nothing_but_arithmetic")
def test_the_trap_catches() -> None:
    for call in (lambda: np.dot([1.0], [1.0]), lambda: np.linalg.inv(np.eye(2)), lambda: math.exp(1.0)):
        with pytest.raises(Forbidden):
            call()


@pytest.mark.usefixtures("nothing_but_arithmetic")
def test_folding_and_deciding_call_no_blas_lapack_or_transcendental() -> None:
    for policy in CURRENT.values():
        life = Life(11, policy)
        life.live(8)
        assert sum(1 for each in life.decisions if not each.unavailable) > 5
        assert life.person.belief.learned > 5


@pytest.mark.parametrize("file", DECIDING, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_code_has_no_operator_for_them_either(file: Path) -> None:
    """`@` and `**` cannot be trapped at run time; `sum` rounds floats by the version of Python."""
    for node in ast.walk(ast.parse(file.read_text())):
        assert not isinstance(node, ast.MatMult | ast.Pow), f"{file.name}: an operator that is not exact"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sum":
            counts = isinstance(node.args[0], ast.GeneratorExp) and isinstance(node.args[0].elt, ast.Constant)
            whole = file.name in ("draws.py", "replay.py")
            assert counts or whole, f"{file.name}:{node.lineno}: use arithmetic.total"


SCRIPT = """
from ml.testing.life import Life
from oo_contracts.canonical import digest_of
from oo_contracts.events import payload_json
from ml.recommender.record import record_of
from ml.recommender.policies import CURRENT
made = []
for policy in CURRENT.values():
    life = Life(12, policy)
    life.live(8)
    made += life.decisions
print(len(made), digest_of([payload_json(record_of(each)) for each in made]))
"""


def digest_in_a_process(**environment: str) -> str:
    paths = [ROOT, ROOT / "contracts/python", ROOT / "contracts/generated/python"]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": ":".join(map(str, paths)), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


def test_decisions_are_the_same_bits_whatever_the_threads_and_the_processors_features() -> None:
    plain = digest_in_a_process(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", PYTHONHASHSEED="1")
    features = sorted(name for name, there in cpu_features().items() if there)
    bare = digest_in_a_process(
        OMP_NUM_THREADS="4",
        OPENBLAS_NUM_THREADS="4",
        PYTHONHASHSEED="2",
        NPY_DISABLE_CPU_FEATURES=" ".join(features),
    )
    assert int(plain.split()[0]) > 50
    assert plain == bare


def cpu_features() -> dict[str, bool]:
    """Those that NumPy dispatches on at run time; its baseline cannot be switched off."""
    umath = importlib.import_module("numpy._core._multiarray_umath")

    return {name: umath.__cpu_features__[name] for name in umath.__cpu_dispatch__}


def test_people_decide_alike_in_any_order() -> None:
    lives = [Life(seed, policy) for seed in (20, 21) for policy in CURRENT.values()]
    for life in lives:
        life.live(3)
    for life in reversed(lives):
        assert all(each.identical for each in replay(life.user, life.events, life.prior.version).decisions)
        assert fold(life.user, life.prior, life.events).digest == life.person.digest
