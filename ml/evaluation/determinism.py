"""Makes decisions of many people and makes them again: `python -m ml.evaluation.determinism [--people 100]
[--decisions 10000] [--json OUT]`.

The events are written down and read again by new processes, which take the people in another order each, with
other numbers of threads, another hash seed, and without the processor's features that NumPy dispatches on.
Every byte of every record has to come out the same: exit 0, else 1.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ml.recommender.policies import CURRENT
from ml.recommender.replay import record_in, replay
from ml.testing.life import Life
from oo_contracts.canonical import digest_of
from oo_contracts.envelope import RecordedEvent, read_envelope
from oo_contracts.ids import UserId, user_id

Json = dict[str, Any]
MOST_DAYS: Final = 60


def write_lives(file: Path, people: int, decisions: int) -> None:
    """Lives of the learned policy, until each has its share of the decisions."""
    with file.open("w", encoding="utf-8") as lines:
        for number in range(people):
            life = Life(9_000 + number, CURRENT["learned"])
            days = 0
            while len(life.decisions) * people < decisions and days < MOST_DAYS:
                life.live(1)
                days += 1
            lines.writelines(json.dumps(envelope) + "\n" for envelope in life.envelopes)
            print(f"lived {number + 1}/{people}", file=sys.stderr, flush=True)


def replay_all(file: Path, seed: int) -> Json:
    """Replays everybody, in an order of the seed."""
    by_person: dict[UserId, list[RecordedEvent]] = {}
    for line in file.read_text("utf-8").splitlines():
        event = read_envelope(json.loads(line))
        by_person.setdefault(user_id(event.metadata.user_id), []).append(event)
    order = sorted(by_person)
    random.Random(seed).shuffle(order)
    made, identical, digests = 0, 0, {}
    for place, user in enumerate(order):
        events = by_person[user]
        prior = next(record.prior_version for event in events if (record := record_in(event)) is not None)
        history = replay(user, events, prior)
        made += len(history.decisions)
        identical += sum(1 for each in history.decisions if each.identical)
        digests[user] = [history.state.digest, digest_of([each.replayed for each in history.decisions])]
        if (place + 1) % 20 == 0:
            print(f"replayed {place + 1}/{len(order)}", file=sys.stderr, flush=True)
    return {
        "decisions": made,
        "identical": identical,
        "digest": digest_of([[user, *digests[user]] for user in sorted(digests)]),
    }


def environments() -> dict[str, dict[str, str]]:
    """What each process is given beside its order."""
    umath = np._core._multiarray_umath  # type: ignore[attr-defined]
    dispatched = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    four = {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"}
    return {
        "one thread": {**one, "PYTHONHASHSEED": "1"},
        "four threads": {**four, "PYTHONHASHSEED": "2"},
        "no processor features": {
            **one,
            "PYTHONHASHSEED": "3",
            "NPY_DISABLE_CPU_FEATURES": " ".join(dispatched),
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.evaluation.determinism", description=__doc__)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--decisions", type=int, default=10_000)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--check", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    wanted = parser.parse_args(arguments)
    if wanted.check is not None:
        print(json.dumps(replay_all(wanted.check, wanted.seed)))
        return 0
    if wanted.people < 1 or wanted.decisions < wanted.people:
        parser.error("give at least one person, and a decision for each")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        write_lives(file, wanted.people, wanted.decisions)
        found = {
            name: _in_a_process(file, seed, environment)
            for seed, (name, environment) in enumerate(environments().items())
        }
    first = next(iter(found.values()))
    same = all(each == first and each["identical"] == each["decisions"] for each in found.values())
    print(json.dumps({"same": same, **found}, indent=1))
    if wanted.json:
        wanted.json.write_text(json.dumps({"same": same, **found}, indent=1) + "\n", encoding="utf-8")
    return 0 if same else 1


def _in_a_process(file: Path, seed: int, environment: dict[str, str]) -> Json:
    run = subprocess.run(
        [sys.executable, "-m", "ml.evaluation.determinism", "--check", str(file), "--seed", str(seed)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: Json = json.loads(run.stdout)
    return answer


if __name__ == "__main__":
    sys.exit(main())
