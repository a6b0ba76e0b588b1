"""Off-policy evaluation of logs: `python -m ml.evaluation.ope FILE.npz... --json OUT`, or of oO's own
decisions: `python -m ml.evaluation.ope --from-store [--policy NAME] [--prior VERSION] [--sequence]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure

from ml.evaluation.ope.log import LogError, load
from ml.evaluation.ope.report import Summary, details, summary
from ml.evaluation.ope.store import WHAT, log_of
from ml.evaluation.ope.trajectories import whole_trajectories
from ml.recommender.fold import PRIORS, prior_of
from ml.recommender.policies import CURRENT
from ml.recommender.prior import PriorUnknown
from ml.serving.broker import Unanswered
from ml.serving.past import everybody


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ml.evaluation.ope", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.npz")
    parser.add_argument(
        "--from-store", action="store_true", help="oO's recorded decisions, over OO_NATS_URL or from --events"
    )
    parser.add_argument("--events", type=Path, metavar="FILE", help="envelopes, one JSON a line")
    parser.add_argument("--policy", choices=sorted(CURRENT), default="learned", help="what is evaluated")
    parser.add_argument("--prior", metavar="VERSION", help="where it starts; what comes with it by default")
    parser.add_argument(
        "--sequence", action="store_true", help="ask what it is worth to decide throughout, not once"
    )
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="file name -> estimates, interval, ess, refused"
    )
    parser.add_argument(
        "--details", type=Path, metavar="OUT", help="the same with every interval and sequences"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="OUT.svg", help="estimates and intervals, one row a file"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default 0)")
    parser.add_argument(
        "--reward-range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="what a reward can be at all"
    )
    options = parser.parse_args(argv)
    if bool(options.files) == options.from_store:
        parser.error("give files, or --from-store")
    return options


def main(argv: list[str] | None = None) -> int:
    """0 when every file was read (refusals included), 2 when one could not be; then nothing is written."""
    options = arguments(argv)
    if options.from_store:
        return from_store(options)
    twice = [name for name, count in Counter(path.stem for path in options.files).items() if count > 1]
    if twice:
        print(
            f"two files are named {twice[0]}.npz: the output has one entry a name; rename one",
            file=sys.stderr,
        )
        return 2
    bounds = tuple(options.reward_range) if options.reward_range else None
    short: dict[str, Summary] = {}
    long: dict[str, dict[str, object]] = {}
    for number, path in enumerate(options.files, 1):
        try:
            log = load(path)
        except LogError as error:
            print(error, file=sys.stderr)
            return 2
        short[log.name] = summary(log)
        if options.details:
            long[log.name] = details(log, options.seed, bounds)
        print(line(log.name, short[log.name]), flush=True)
        if number % 50 == 0:
            print(f"{number} of {len(options.files)} files", file=sys.stderr, flush=True)
    if options.json:
        write(options.json, {name: found.as_json() for name, found in short.items()})
    if options.details:
        write(options.details, long)
    if options.plot:
        plot(options.plot, short)
    return 0


def from_store(options: argparse.Namespace) -> int:
    """0 answered, 1 refused, 2 wrong arguments, 3 the history cannot be read."""
    policy = CURRENT[options.policy]
    try:
        by_person = asyncio.run(everybody(options.events))
        prior = prior_of(options.prior or PRIORS[policy.features])
        log = log_of(by_person, policy, prior)
    except (LogError, PriorUnknown) as error:
        print(error, file=sys.stderr)
        return 2
    except (Unanswered, OSError, ValueError) as error:
        print(f"the history cannot be read: {error}", file=sys.stderr)
        return 3
    what = WHAT.format(policy=policy.name, version=policy.version, prior=prior.version)
    if options.sequence:
        sequence = whole_trajectories(log)
        found = {**asdict(sequence), "estimates_what": f"the same, had it decided throughout: {what}"}
        print(f"refused: {sequence.refused}" if sequence.refused else f"{what}: {sequence.value}")
        refused = sequence.refused
    else:
        answer = summary(log)
        found = {**answer.as_json(), "estimates_what": what}
        print(what)
        print(line(log.name, answer), flush=True)
        refused = answer.refused
    if options.json:
        write(options.json, {log.name: found})
    if options.details:
        write(options.details, {log.name: details(log, options.seed)})
    return 0 if refused is None else 1


def line(name: str, found: Summary) -> str:
    if found.interval is None:
        return f"{name}: refused: {found.refused}"
    low, high = found.interval
    return f"{name}: dr {found.estimates['dr']:.4f}, 95% from {low:.4f} to {high:.4f}, ess {found.ess:.0f}"


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def plot(path: Path, found: dict[str, Summary]) -> None:
    figure = Figure(figsize=(7, 1 + 0.4 * len(found)), layout="constrained")
    axes = figure.add_subplot()
    for row, one in enumerate(found.values()):
        if one.interval is None:
            axes.text(0.01, row, "refused", va="center", transform=axes.get_yaxis_transform())
            continue
        axes.plot(one.interval, [row, row], color="black")
        for name, marker in (("dr", "o"), ("ipw", "x"), ("dm", "+")):
            axes.plot([one.estimates[name] or 0.0], [row], marker, color="black")
    axes.set_yticks(range(len(found)), list(found))
    axes.set_xlabel("value of the evaluated policy: dr (o) and its 95% interval, ipw (x), dm (+)")
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
