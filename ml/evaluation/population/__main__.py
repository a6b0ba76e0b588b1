"""Simulated people: learn a prior from some, and say what it and the policies are worth to others.

python -m ml.evaluation.population prior --version common.v3 --out FILE [--people 100] [--days 24]
python -m ml.evaluation.population pooling [--prior FILE] [--json OUT]
python -m ml.evaluation.population year [--person N] [--people 1] [--days 365] [--json OUT] [--plot OUT.svg]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ml.evaluation.population.bench import pooled, pooling
from ml.evaluation.population.people import REPORTED
from ml.evaluation.population.year import plot, years
from ml.recommender.fold import LATEST_PRIOR, prior_of
from ml.recommender.prior import Prior, prior_from_json, prior_json

FIRST_TRAINED = 300
"""Number of the first person who teaches; those of reports begin at `people.REPORTED`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done, 2 wrong arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m ml.evaluation.population",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    learn = verbs.add_parser("prior", help="learn a prior from simulated people")
    learn.add_argument("--version", required=True)
    learn.add_argument("--out", type=Path, required=True)
    learn.add_argument("--people", type=int, default=100)
    learn.add_argument("--days", type=int, default=24)
    new = verbs.add_parser("pooling", help="what a prior is worth to new people, over a flat one")
    new.add_argument("--prior", type=Path, help="a file that `prior` wrote; the one of new people by default")
    new.add_argument("--usual", type=int, default=30)
    new.add_argument("--atypical", type=int, default=15)
    new.add_argument("--lucks", type=int, default=2, help="lives of each person")
    whole = verbs.add_parser("year", help="people's years with each policy")
    whole.add_argument("--person", type=int, default=REPORTED, help="number of the first")
    whole.add_argument("--people", type=int, default=1)
    whole.add_argument("--days", type=int, default=365)
    whole.add_argument("--plot", type=Path, metavar="OUT.svg")
    for verb in (new, whole):
        verb.add_argument("--json", type=Path, metavar="OUT")
    wanted = parser.parse_args(arguments)
    for name in ("people", "days", "usual", "lucks"):
        if getattr(wanted, name, 1) < 1:
            parser.error(f"--{name} is {getattr(wanted, name)}; give 1 or more")
    if wanted.verb == "prior":
        prior = pooled(wanted.people, wanted.days, wanted.version, FIRST_TRAINED)
        wanted.out.write_text(json.dumps(prior_json(prior)) + "\n", encoding="utf-8")
        return 0
    if wanted.verb == "pooling":
        found = pooling(_prior(wanted.prior), wanted.usual, wanted.atypical, wanted.lucks)
        print(json.dumps({name: value for name, value in found.items() if name != "people"}, indent=1))
    else:
        found = years(wanted.person, wanted.people, wanted.days)
        told = {name: value for name, value in found.items() if name not in ("curves", "people")}
        print(json.dumps(told, indent=1))
        if wanted.plot:
            plot(wanted.plot, found)
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def _prior(file: Path | None) -> Prior:
    return prior_of(LATEST_PRIOR) if file is None else prior_from_json(json.loads(file.read_text("utf-8")))


if __name__ == "__main__":
    sys.exit(main())
