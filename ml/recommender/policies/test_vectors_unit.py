"""Recorded decisions of every policy version: they come out the same for ever, or the version changes."""

import json
from collections import Counter
from pathlib import Path

import pytest

from ml.recommender.policies import POLICIES
from ml.recommender.replay import History, record_in, replay
from oo_contracts.envelope import read_envelope
from oo_contracts.ids import user_id

VECTORS = sorted((Path(__file__).parent / "vectors").glob("*.jsonl"))


def recorded(file: Path) -> History:
    events = [read_envelope(json.loads(line)) for line in file.read_text().splitlines()]
    prior = next(record.prior_version for event in events if (record := record_in(event)) is not None)
    return replay(user_id(events[0].metadata.user_id), events, prior)


@pytest.mark.parametrize("file", VECTORS, ids=lambda file: file.stem)
def test_recorded_decisions_come_out_as_they_were(file: Path) -> None:
    name, version = file.stem.split(".")
    history = recorded(file)
    differing = [each for each in history.decisions if not each.identical]
    assert not differing, (
        f"{name} {version} decides otherwise than it did: {differing[0].differences[:3]}. "
        "Give what you changed a version of its own, and run python -m ml.testing.record_vectors."
    )
    kinds = Counter(
        "proposed"
        if "choice" in each.recorded
        else "unavailable"
        if "unavailable" in each.recorded
        else "waited"
        for each in history.decisions
    )
    assert min(kinds.values()) >= 5
    assert len(kinds) == 3
    assert history.state.belief.learned >= 10
    assert {(each.recorded["policy"], each.recorded["policyVersion"]) for each in history.decisions} == {
        (name, version)
    }


def test_every_policy_version_has_its_vector() -> None:
    assert {tuple(file.stem.split(".")) for file in VECTORS} == set(POLICIES)
