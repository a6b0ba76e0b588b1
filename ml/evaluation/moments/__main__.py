"""Act or wait: `python -m ml.evaluation.moments [--params FILE] [--episodes 50] [--runs 20] [--pool N]
--json OUT`.

StepCountJITAI wants an older NumPy than the project, so the bench runs in an environment of its own, made
by uv from the hashes in requirements.txt when it is missing or they have changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
ENVIRONMENT = ROOT / ".toolchain" / "moments"


def environment() -> Path:
    """Python of the bench's environment. Raises FileNotFoundError or CalledProcessError when uv cannot make
    it."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "requirements.sha256"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text("utf-8") == digest:
        return python
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise FileNotFoundError("uv is not installed; it comes with ml/requirements.txt")
    print(f"making {ENVIRONMENT.relative_to(ROOT)}", file=sys.stderr)
    subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(ENVIRONMENT)], check=True)
    sync = [uv, "pip", "sync", "-q", "--require-hashes", "--python", str(python), str(REQUIREMENTS)]
    subprocess.run(sync, check=True)
    stamp.write_text(digest, encoding="utf-8")
    return python


def main(argv: list[str]) -> int:
    try:
        python = environment()
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(f"the bench's environment could not be made: {error}", file=sys.stderr)
        return 1
    own = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [str(python), "-m", "ml.evaluation.moments.play", *argv]
    status = subprocess.run(command, env={**os.environ, **own}, check=False).returncode
    target = plot_target(argv)
    if status == 0 and target is not None:
        plot(target)
    return status


def plot_target(argv: list[str]) -> Path | None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--plot", type=Path)
    return parser.parse_known_args(argv)[0].plot  # type: ignore[no-any-return]


def plot(path: Path) -> None:
    """The bench's environment has no matplotlib: it leaves the curves, which are drawn here."""
    source = path.with_suffix(".curves.json")
    curves = json.loads(source.read_text("utf-8"))
    source.unlink()
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for curve in curves:
        label = json.dumps(curve["world"], ensure_ascii=False) if len(curves) <= 6 else None
        axes.plot(range(1, len(curve["curve"]) + 1), curve["curve"], label=label)
    axes.axhline(1.0, color="grey", linewidth=0.5)
    axes.set_xlabel("episode")
    axes.set_ylabel("share of the optimum")
    if len(curves) <= 6:
        axes.legend(fontsize="small")
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
