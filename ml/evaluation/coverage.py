"""Do the intervals keep their promise? `python -m ml.evaluation.coverage --logs 500 --json OUT`.

For each kind of synthetic log, several worlds are drawn, and many logs of each. Coverage is the share of logs
whose interval has the world's true value; width is compared with 2 * 1.96 standard deviations of `dr` over
the logs of its world, which is what the true variance gives. A refused log counts as one without an answer:
it is in neither, and the share of refusals stands beside.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ml.evaluation.ope.report import summary
from ml.evaluation.synthetic_logs import Setting, draw_logs, make_world

SETTINGS = (
    Setting("binary, close logger", arms=10),
    Setting("binary, opposite policies", arms=10, sharpness=-1.0, floor=0.2),
    Setting("continuous, small", n=100, arms=3, noise="normal"),
    Setting("skewed, small", n=200, noise="skewed"),
    Setting("rare rewards", n=3000, arms=10, base=-5.0, logger="uniform"),
    Setting("no reward model", n=1000, logger="uniform", model="none"),
    Setting("wrong reward model", n=1000, model="wrong"),
    Setting("nearly deterministic policy", n=500, sharpness=50.0, logger="uniform"),
    Setting("epsilon-greedy", logger="epsilon-greedy", floor=0.1),
    Setting("epsilon-greedy, low floor", logger="epsilon-greedy", floor=0.02),
    Setting("epsilon-greedy, continuous", n=500, arms=3, logger="epsilon-greedy", noise="normal", floor=0.1),
    Setting("Thompson", logger="thompson", floor=0.05),
    Setting("Thompson, fast decay", logger="thompson", decay=1.0, floor=0.02),
    Setting("Thompson, opposite policies", logger="thompson", sharpness=-1.0, floor=0.1),
    Setting("Thompson, continuous, small", n=300, logger="thompson", noise="normal", floor=0.1),
)
WORLDS = 10


def study(setting: Setting, logs: int, seed: int, worlds: int = WORLDS) -> dict[str, float | int | str]:
    """Coverage and relative width for one kind of log."""
    covered: list[bool] = []
    widths: list[float] = []
    refused = 0
    each = max(logs // worlds, 2)
    for number in range(worlds):
        world = make_world(setting, seed + number)
        found = [summary(log) for log in draw_logs(world, seed + number, each)]
        values = np.array([one.estimates["dr"] for one in found], dtype=np.float64)
        deviation = math.sqrt(float(((values - world.value) ** 2).mean()))
        for one in found:
            if one.interval is None:
                refused += 1
                continue
            low, high = one.interval
            covered.append(low <= world.value <= high)
            widths.append((high - low) / (2 * 1.96 * deviation))
    coverage = float(np.mean(covered)) if covered else math.nan
    return {
        "setting": setting.name,
        "logs": each * worlds,
        "refused": refused,
        "coverage": round(coverage, 4),
        "se": round(math.sqrt(max(coverage * (1 - coverage), 0.0) / max(len(covered), 1)), 4),
        "relative_width": round(float(np.mean(widths)), 3) if widths else math.nan,
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ml.evaluation.coverage", description=__doc__)
    parser.add_argument("--logs", type=int, default=500, help="logs of each kind (default 500)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--plot", type=Path, metavar="OUT.svg")
    options = parser.parse_args(argv)
    if options.logs < 2 * WORLDS:
        print(f"--logs is {options.logs}; at least {2 * WORLDS} are needed for a variance", file=sys.stderr)
        return 2
    rows = []
    for number, setting in enumerate(SETTINGS, 1):
        rows.append(study(setting, options.logs, options.seed))
        print(f"{number}/{len(SETTINGS)} {json.dumps(rows[-1])}", flush=True)
    answered = [row for row in rows if not math.isnan(float(row["coverage"]))]
    total = {
        "coverage": round(float(np.mean([float(row["coverage"]) for row in answered])), 4),
        "relative_width": round(float(np.mean([float(row["relative_width"]) for row in answered])), 3),
    }
    print(json.dumps(total))
    if options.json:
        content = {"seed": options.seed, "settings": rows, "mean": total}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        plot(options.plot, rows)
    return 0


def plot(path: Path, rows: list[dict[str, float | int | str]]) -> None:
    figure = Figure(figsize=(9, 5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    places = range(len(rows))
    left.errorbar(
        [float(r["coverage"]) for r in rows], places, xerr=[1.96 * float(r["se"]) for r in rows], fmt="ko"
    )
    left.axvline(0.95, color="grey")
    left.set_xlabel("coverage of 95% intervals")
    left.set_yticks(places, [str(r["setting"]) for r in rows])
    right.plot([float(r["relative_width"]) for r in rows], places, "ko")
    right.axvline(1.3, color="grey")
    right.set_xlabel("width over that of the true variance")
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
