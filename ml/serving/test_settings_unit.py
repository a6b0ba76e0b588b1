from pathlib import Path

import pytest

from ml.serving.settings import ConfigError, read_settings

URL = "nats://s3cret@127.0.0.1:4222"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEALTH_PORT", "HOST", "CLOCK", "LOG_LEVEL", "PARTITIONS", "POLICY", "SNAPSHOTS"):
        monkeypatch.delenv(f"OO_{name}", raising=False)
    monkeypatch.setenv("OO_NATS_URL", URL)


def test_defaults() -> None:
    settings = read_settings()
    assert (settings.policy, settings.clock, settings.health_port) == ("heuristic", "system", None)
    assert settings.partitions == frozenset(range(64))
    assert settings.snapshots is None


def test_a_folder_for_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OO_SNAPSHOTS", "/data/snapshots")
    assert read_settings().snapshots == Path("/data/snapshots")
    monkeypatch.setenv("OO_SNAPSHOTS", "")
    assert read_settings().snapshots is None


def test_partitions_are_numbers_and_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OO_PARTITIONS", "0-2, 40")
    assert read_settings().partitions == {0, 1, 2, 40}
    monkeypatch.setenv("OO_PARTITIONS", "")
    assert len(read_settings().partitions) == 64


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("OO_HEALTH_PORT", "0", "a port from 1 to 65535"),
        ("OO_HEALTH_PORT", "many", "a port from 1 to 65535"),
        ("OO_CLOCK", "sundial", "system, steered"),
        ("OO_LOG_LEVEL", "loud", "trace, debug"),
        ("OO_PARTITIONS", "64", "numbers and ranges below 64"),
        ("OO_PARTITIONS", "3-1", "numbers and ranges below 64"),
        ("OO_PARTITIONS", "some", "numbers and ranges below 64"),
        ("OO_POLICY", "learned-by-magic", "heuristic, learned, random"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as stopped:
        read_settings()
    (problem,) = stopped.value.problems
    assert problem.startswith(f"{name}: given '{value}'; allowed: ")
    assert allowed in problem


def test_a_missing_value_is_named_and_a_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OO_NATS_URL", "http://s3cret@host")
    with pytest.raises(ConfigError) as stopped:
        read_settings()
    assert "s3cret" not in str(stopped.value)
    monkeypatch.delenv("OO_NATS_URL")
    with pytest.raises(ConfigError, match="OO_NATS_URL: not given"):
        read_settings()
