"""Act or wait: `python -m ml.evaluation.moments [--params FILE] [--episodes 50] [--runs 20] [--pool N]
--json OUT`.

StepCountJITAI wants an older NumPy than the project, so its worlds run in an environment of their own, made
by uv from the hashes in requirements.txt when it is missing or they have changed. The learner runs here: it
is the one of the policy that oO serves.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from ml.evaluation.moments.play import arguments, run

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


def main(argv: list[str] | None = None) -> int:
    """0 done, 1 the environment could not be made, 2 wrong arguments."""
    options = arguments(
        argparse.ArgumentParser(prog="ml.evaluation.moments", description=__doc__)
    ).parse_args(argv)
    try:
        python = environment()
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(f"the bench's environment could not be made: {error}", file=sys.stderr)
        return 1
    return run(options, python)


if __name__ == "__main__":
    sys.exit(main())
