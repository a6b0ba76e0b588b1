import json
import math
from pathlib import Path
from typing import Any

import pytest

from ml.serving.replay import main
from ml.testing.life import Life, user_of


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
