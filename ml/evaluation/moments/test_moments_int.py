"""The act-or-wait bench through its command, in its own environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml.evaluation.moments.__main__ import main


def test_it_plays_worlds_of_a_file_and_people_of_a_pool(tmp_path: Path) -> None:
    params, out, plot = tmp_path / "worlds.json", tmp_path / "out.json", tmp_path / "out.svg"
    params.write_text('[{"sigma": 0.4, "ρ2": 150.0}]', "utf-8")
    short = ["--runs", "1", "--episodes", "2", "--json", str(out)]
    assert main([*short, "--params", str(params), "--plot", str(plot)]) == 0
    (row,) = json.loads(out.read_text("utf-8"))
    assert row["world"] == {"sigma": 0.4, "ρ2": 150.0}
    assert {"world", "mean", "first10", "first2", "se", "sent"} <= set(row)
    assert 0 < row["share"] < 1.5
    assert 0 < row["sent"] < 1
    assert plot.exists()
    assert main([*short, "--pool", "5"]) == 0
    (person,) = json.loads(out.read_text("utf-8"))
    assert {"sigma", "δh", "εh", "δd", "εd", "ρ1", "ρ2"} <= set(person["world"])


def test_unknown_parameters_are_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    params = tmp_path / "worlds.json"
    params.write_text('[{"sigma": 0.4, "patience": 3}]', "utf-8")
    assert main(["--params", str(params)]) == 2
    assert "patience" in capfd.readouterr().err
