import asyncio
import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest

from ml.evaluation.ope.store import log_of
from ml.learning.lessons import lessons_of
from ml.recommender.fold import LATEST_PRIOR, prior_of
from ml.recommender.person import Person
from ml.recommender.policies import CURRENT
from ml.recommender.replay import replay
from ml.serving.past import everybody
from ml.serving.people import People
from ml.serving.replay import main
from ml.testing.life import Life, skip_of, user_of
from oo_contracts.envelope import STREAM_DELETED, RecordedEvent
from oo_contracts.partition import PARTITIONS


@pytest.fixture(scope="module")
def life() -> Life:
    life = Life(41)
    life.live(6)
    return life


def events_file(folder: Path, *lives: Life, change: Any = len) -> str:
    envelopes = [json.loads(json.dumps(envelope)) for life in lives for envelope in life.envelopes]
    change(envelopes)
    file = folder / "events.jsonl"
    file.write_text("".join(json.dumps(envelope) + "\n" for envelope in envelopes))
    return str(file)


def proposed(envelopes: list[Any]) -> Any:
    return next(each["data"]["decision"] for each in envelopes if each["type"] == "TipProposed")


def test_everyone_comes_out_bit_identical(
    life: Life, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Life(42)
    other.live(2)
    assert main(["--all", "--json", "--events", events_file(tmp_path, life, other)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["identical"] is True
    assert report["decisions"] == len(life.decisions) + len(other.decisions)
    states = {each["user"]: each["state"]["stateDigest"] for each in report["users"]}
    assert states == {one.user: one.person.belief.digest for one in (life, other)}


def test_who_has_left_holds_nobody_up(life: Life, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = Life(43)
    gone.live(1)
    gone.envelopes[-1]["metadata"]["schemaVersion"] = 99

    def delete(envelopes: list[Any]) -> None:
        # What the store has from its beginning on, before a scavenge and after it.
        for stream in sorted({each["stream"] for each in gone.envelopes}):
            record = {"id": "1", "type": STREAM_DELETED, "stream": stream, "data": "", "metadata": ""}
            envelopes.append(record | {"revision": str((1 << 63) - 1), "position": "9000000"})

    def scavenge(envelopes: list[Any]) -> None:
        delete(envelopes)
        envelopes[:] = [
            each
            for each in envelopes
            if each["type"] == STREAM_DELETED or not each["stream"].endswith(gone.user)
        ]

    for change in (delete, scavenge):
        assert main(["--all", "--json", "--events", events_file(tmp_path, gone, life, change=change)]) == 0
        report = json.loads(capsys.readouterr().out)
        assert [each["user"] for each in report["users"]] == [life.user]


def test_one_altered_probability_is_named(
    life: Life, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def alter(envelopes: list[Any]) -> None:
        proposed(envelopes)["candidates"][0]["probability"] = 0.5

    file = events_file(tmp_path, life, change=alter)
    assert main(["--user", life.user, "--json", "--events", file]) == 1
    (user,) = json.loads(capsys.readouterr().out)["users"]
    # Later decisions learned from the altered record, so they differ as well: by their state alone.
    differing, *later = user["differences"]
    assert all("stateDigest" in [field["field"] for field in each["fields"]] for each in later)
    assert [field["field"] for field in differing["fields"]] == ["candidates.0.probability"]
    assert differing["fields"][0]["recorded"] == 0.5
    assert main(["--user", life.user, "--events", file]) == 1
    assert "candidates.0.probability: recorded 0.5" in capsys.readouterr().out
    assert main(["--decision", differing["decisionId"], "--events", file]) == 1
    assert "it came out otherwise:\n  candidates.0.probability" in capsys.readouterr().out


def test_a_decision_is_told_in_words(life: Life, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = events_file(tmp_path, life)
    tip = next(each for each in life.decisions if each.choice is not None)
    assert main(["--decision", tip.id, "--user", life.user, "--json", "--events", file]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["record"] == report["replayed"]
    explanation = report["explanation"]
    assert (explanation["outcome"], explanation["choice"]) == ("proposed", tip.choice.ref)  # type: ignore[union-attr]
    assert all(
        each["words"] != each["code"] for each in explanation["momentReasons"] + explanation["tipReasons"]
    )
    assert sum(each["probability"] for each in explanation["alternatives"]) == pytest.approx(1.0)
    account = explanation["account"]
    # With those that are too small to be recorded, the reasons make the probability that was recorded.
    worth = 3.0 * (account["moment"]["total"] + account["expected"])
    act = (1.0 + worth / math.sqrt(1.0 + worth * worth)) / 2.0
    assert account["act"] == act
    bounded = min(0.95, max(0.05, math.floor(act * 10_000 + 0.5) / 10_000))
    assert explanation["actProbability"] == (0.95 if account["page"] else bounded)
    for part, reasons in (("moment", "momentReasons"), ("tip", "tipReasons")):
        assert account[part]["count"] >= len(explanation[reasons])
    assert report["after"][-1]["type"] == "DecisionOutcomeClosed"
    assert main(["--decision", tip.id, "--events", file]) == 0
    assert "bit-identical" in capsys.readouterr().out
    silent = next(each for each in life.decisions if each.unavailable)
    assert main(["--decision", silent.id, "--json", "--events", file]) == 0
    explanation = json.loads(capsys.readouterr().out)["explanation"]
    assert explanation["outcome"] == "withheld"
    assert explanation["obstacles"][0]["words"].endswith(".")


def test_a_voided_decision_says_why(life: Life, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decision_id = "00000000-0000-4000-8000-000000000000"
    trigger = {"kind": "TRIGGER_KIND_SIGNAL", "id": decision_id, "at": "2026-01-05T08:00:00Z"}

    def void(envelopes: list[Any]) -> None:
        envelopes.append(
            envelopes[-1]
            | {
                "type": "DecisionVoided",
                "stream": f"tips-{life.user}",
                "revision": "99999",
                "position": "99999999",
                "data": {"decisionId": decision_id, "reason": "VOID_REASON_STALE", "trigger": trigger},
            }
        )

    assert main(["--decision", decision_id, "--events", events_file(tmp_path, life, change=void)]) == 0
    assert "It came when its moment was over." in capsys.readouterr().out


def test_until_takes_only_what_was_recorded_by_then(
    life: Life, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = events_file(tmp_path, life)
    middle = life.envelopes[len(life.envelopes) // 2]["metadata"]["recordedAt"]
    assert main(["--user", life.user, "--until", middle, "--json", "--events", file]) == 0
    (user,) = json.loads(capsys.readouterr().out)["users"]
    assert user["events"] == sum(1 for each in life.envelopes if each["metadata"]["recordedAt"] <= middle)


def test_what_is_wrong_is_said_with_its_exit_code(
    life: Life, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = events_file(tmp_path, life)
    assert main(["--user", user_of(99), "--events", file]) == 4
    assert main(["--decision", "00000000-0000-4000-8000-00000000000f", "--events", file]) == 4
    assert main(["--all", "--events", str(tmp_path / "missing")]) == 3
    monkeypatch.delenv("OO_NATS_URL", raising=False)
    assert main(["--all"]) == 3
    assert "OO_NATS_URL is not given" in capsys.readouterr().err
    for arguments in (["--user", "me"], ["--decision", "1"], ["--all", "--until", "noon"], []):
        with pytest.raises(SystemExit) as stopped:
            main([*arguments, "--events", file])
        assert stopped.value.code == 2


def skip(life: Life, envelope: Any, projection: str = "recommender") -> None:
    """An operator gives an event up; the life goes on from the state that the recommender then has."""
    life.record(skip_of(envelope, projection))
    people = People(life.prior, range(PARTITIONS), logging.getLogger("test"), lambda _user, _event: None)
    people.refold(life.user, life.envelopes)
    person = people.get(life.user)
    assert person is not None
    life.person = person


@pytest.mark.parametrize("readable", [False, True], ids=["never read", "folded for a while"])
@pytest.mark.parametrize("policy", ["heuristic", "learned"])
def test_decisions_before_and_after_a_skip_come_out_bit_identical(
    readable: bool,
    policy: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Life(43, CURRENT[policy])
    life.live(3)
    life.task("demo:task:given-up", 3_600_000)
    given_up = life.envelopes[-1]
    if readable:
        # Another build could, and decided by it, until one came that cannot.
        life.live(1)
    before = len(life.decisions)
    skip(life, life.envelopes[3], projection="timeline")
    if not readable:
        given_up["metadata"]["schemaVersion"] = 99
    life.now += 60_000
    skip(life, given_up)
    life.live(2)
    # More of other names, which no decision names.
    skip(life, life.envelopes[5], projection="current-tip")
    life.live(1)
    assert before < len(life.decisions)
    assert dict(life.decisions[-1].folded_to)[f"skips-{life.user}"] == 1
    assert f"skips-{life.user}" not in dict(life.decisions[before - 1].folded_to)
    file = events_file(tmp_path, life)
    assert main(["--user", life.user, "--json", "--events", file]) == 0
    (user,) = json.loads(capsys.readouterr().out)["users"]
    assert user["decisions"] == len(life.decisions)
    assert user["state"]["stateDigest"] == life.person.digest
    assert user["state"]["foldedTo"][f"skips-{life.user}"] == "1"
    # Also where the past ends before it was skipped.
    until = given_up["metadata"]["recordedAt"]
    assert main(["--user", life.user, "--until", until, "--json", "--events", file]) == 0
    (user,) = json.loads(capsys.readouterr().out)["users"]
    assert 0 < user["decisions"] <= before

    if readable:
        # Given all that stands in the streams, as well.
        folded = []

        def counting(person: Person, event: RecordedEvent, fold: Any = Person.fold) -> None:
            folded.append(event)
            fold(person, event)

        monkeypatch.setattr(Person, "fold", counting)
        again = replay(life.user, life.events[::-1], life.prior.version)
        # In a pass for those before, one for those after, and one for the state at the end.
        assert len(folded) <= 3 * len(life.envelopes)
        assert [each.identical for each in again.decisions] == [True] * len(life.decisions)
        assert again.state.revisions == life.person.revisions

    # Without the word for it, it is not left out.
    def unsay(envelopes: list[Any]) -> None:
        said = [each for each in envelopes if each["data"].get("projection") == "recommender"]
        envelopes.remove(said[0])

    assert main(["--user", life.user, "--events", events_file(tmp_path, life, change=unsay)]) in (1, 3)


def test_who_is_parked_is_named_with_what_to_do(
    life: Life, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoil(envelopes: list[Any]) -> None:
        envelopes[-1]["metadata"]["schemaVersion"] = 99

    assert main(["--all", "--events", events_file(tmp_path, life, change=spoil)]) == 3
    said = capsys.readouterr().err
    last = life.envelopes[-1]
    assert f"{last['stream']}@{last['revision']}: cannot read {last['type']} version 99" in said
    assert f"oo parked show recommender {life.user}" in said


def test_evaluation_and_the_prior_leave_out_what_was_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    life, prior = Life(44, CURRENT["learned"]), prior_of(LATEST_PRIOR)
    life.live(6)

    def taught() -> tuple[int, int]:
        by_person = asyncio.run(everybody(Path(events_file(tmp_path, life))))
        log = log_of(by_person, CURRENT["learned"], prior)
        return len(log.action), len(lessons_of(life.user, by_person[life.user], prior).rewards)

    rows, lessons = taught()
    of_tip = {each["data"]["tipId"] for each in life.envelopes if each["type"] == "TipShown"}
    closed = next(
        each
        for each in life.envelopes
        if each["type"] == "DecisionOutcomeClosed" and each["data"]["decisionId"] in of_tip
    )
    skip(life, closed, projection="timeline")
    assert taught() == (rows, lessons)
    skip(life, closed)
    assert taught() == (rows - 1, lessons - 1)
    # Had another build read it, this one would not know what the decisions of that time had seen.
    closed["metadata"]["schemaVersion"] = 99
    stream, revision = closed["stream"], int(closed["revision"])
    later = [each for each in life.decisions if dict(each.folded_to).get(stream, -1) >= revision]
    assert later
    fewer, taught_without = taught()
    assert 0 < fewer < rows - 1
    assert taught_without == lessons - 1
    file = events_file(tmp_path, life)
    assert main(["--user", life.user, "--json", "--events", file]) == 1
    (user,) = json.loads(capsys.readouterr().out)["users"]
    assert [each["fields"][0]["field"] for each in user["differences"]] == ["(decision)"] * len(later)
    assert {each["decisionId"] for each in user["differences"]} == {each.id for each in later}
