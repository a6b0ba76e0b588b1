"""Learns the global prior from all who consented to it, and publishes it.

    python -m ml.pipelines.prior --version people.1 [--events FILE] [--out FILE] [--dry-run]

    python -m ml.pipelines.prior --version simulated.1 --from FILE

Who gave the consent `SHARED_PRIOR` and has not withdrawn it takes part with their recorded decisions and
outcomes. With `--from` it is one that was learned elsewhere, from simulated people say
(`ml.evaluation.population prior`), for an oO that nobody has taught yet. The result is `PriorPublished`; it
goes live when it has passed the gate (`ml.evaluation.gate`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ml.features import FEATURE_MAPS
from ml.learning.global_prior import Lessons, TooFewPeople, learned_prior
from ml.learning.lessons import lessons_of
from ml.recommender.fold import LATEST_PRIOR, fold, prior_of
from ml.recommender.prior import Prior, prior_from_json, prior_json
from ml.serving.broker import Unanswered
from ml.serving.commands import send
from ml.serving.past import everybody
from oo.v1 import policies_pb2, users_pb2
from oo_contracts.canonical import canonical_json
from oo_contracts.envelope import RecordedEvent
from oo_contracts.events import payload_json
from oo_contracts.ids import UserId
from oo_contracts.subjects import PUBLISH_PRIOR

USAGE: Final = 2
UNAVAILABLE: Final = 3
SHARED: Final = users_pb2.CONSENT_SCOPE_SHARED_PRIOR


def consenting(by_person: Mapping[UserId, Sequence[RecordedEvent]]) -> dict[UserId, Lessons]:
    """What each person teaches who lets others learn from them."""
    start = prior_of(LATEST_PRIOR)
    found = {}
    for user, events in sorted(by_person.items()):
        person = fold(user, start, events)
        if SHARED in person.consents and not person.erased:
            found[user] = lessons_of(user, events, start)
    return found


def publication(version: str, people: Mapping[UserId, Lessons]) -> tuple[Prior, policies_pb2.PriorPublished]:
    """The prior, and the event that publishes it. Raises TooFewPeople."""
    prior = learned_prior(version, list(people.values()), lambda text: print(text, file=sys.stderr))
    return prior, _published(prior, people)


def _published(prior: Prior, people: Mapping[UserId, Lessons]) -> policies_pb2.PriorPublished:
    return policies_pb2.PriorPublished(
        version=prior.version,
        features=prior.features,
        digest=prior.digest,
        parameters=canonical_json(prior_json(prior)).decode(),
        people=len(people),
        outcomes=sum(len(each.rewards) for each in people.values()),
    )


def _from_elsewhere(file: Path, version: str) -> tuple[Prior, policies_pb2.PriorPublished]:
    """Raises ValueError where the file holds no prior over a feature map that is known here."""
    prior = replace(prior_from_json(json.loads(file.read_text("utf-8"))), version=version)
    features = FEATURE_MAPS.get(prior.features)
    if features is None or prior.names != features.WEIGHTS:
        raise ValueError(f"{file}: its weights are not those of a feature map of this build; learn it anew")
    return prior, _published(prior, {})


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done, 2 wrong arguments or too few people, 3 the history cannot be read or nothing be recorded."""
    parser = argparse.ArgumentParser(
        prog="python -m ml.pipelines.prior",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", required=True, help="a name that no other prior has")
    parser.add_argument("--events", type=Path, metavar="FILE", help="envelopes, one JSON a line")
    parser.add_argument("--from", dest="elsewhere", type=Path, metavar="FILE", help="one learned elsewhere")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the prior as JSON")
    parser.add_argument("--dry-run", action="store_true", help="publish nothing")
    wanted = parser.parse_args(arguments)
    try:
        if wanted.elsewhere is not None:
            prior, published = _from_elsewhere(wanted.elsewhere, wanted.version)
        else:
            people = consenting(asyncio.run(everybody(wanted.events)))
            prior, published = publication(wanted.version, people)
    except TooFewPeople as error:
        print(f"{error}; people consent with the scope SHARED_PRIOR", file=sys.stderr)
        return USAGE
    except (Unanswered, OSError, ValueError) as error:
        print(f"The prior cannot be had: {error}", file=sys.stderr)
        return UNAVAILABLE
    if wanted.out:
        wanted.out.write_text(json.dumps(prior_json(prior)) + "\n", encoding="utf-8")
    print(f"{prior.version}: {published.people} people, {published.outcomes} outcomes, {prior.digest}")
    if wanted.dry_run or wanted.events is not None:
        return 0
    try:
        command = {"prior": payload_json(published)}
        asyncio.run(send(PUBLISH_PRIOR, command, str(uuid.uuid4()), "prior"))
    except Unanswered as error:
        print(f"The prior was not published: {error}", file=sys.stderr)
        return UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
