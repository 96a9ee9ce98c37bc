"""`ragops simulate` from the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ragops.cli.main import app

ROOT = Path(__file__).parents[3]
KEYS = {"policy", "violations", "pod_hours", "oracle_ratio", "j", "actions", "reversals"}


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Half an hour with a pulse."""
    path = tmp_path / "pulse.csv"
    rows = [f"{t},{40 if 600 <= t < 900 else 8}" for t in range(0, 1800, 30)]
    path.write_text("\n".join(["t,rps", *rows]))
    return path


def simulate(*arguments: object) -> tuple[int, str]:
    """Exit status and all output."""
    result = CliRunner().invoke(app, ["simulate", *map(str, arguments)])
    return result.exit_code, result.output


def test_json_has_one_object_a_policy(trace: Path) -> None:
    status, output = simulate("--trace", trace, "--policy", "HPA,step", "--policy", "fixed:3", "--json")
    found = json.loads(output)
    assert status == 0
    assert [one["policy"] for one in found] == ["hpa", "step", "fixed:3"]
    assert all(one.keys() >= KEYS for one in found)
    assert all(0 <= one["violations"] <= 1 for one in found)
    assert found[2]["pod_hours"] == pytest.approx(1.5)


def test_the_table_names_all_policies(trace: Path) -> None:
    status, output = simulate("--trace", trace, "--policy", "predictive,oracle")
    assert status == 0
    assert "predictive" in output
    assert max(map(len, output.splitlines())) <= 100


def test_a_policy_from_an_object(trace: Path) -> None:
    example = ROOT / "examples/autoscaling.yaml"
    status, output = simulate(
        "--trace", trace, "--from-object", example, "--service", "retrieval", "--policy", "fixed", "--json"
    )
    assert status == 0
    assert {one["policy"] for one in json.loads(output)} == {"fixed", "object"}


def test_settings_reach_the_policy(trace: Path) -> None:
    """A maximum of 2 cannot be exceeded; more late requests allowed means no more pods."""
    _, low = simulate("--trace", trace, "--policy", "predictive", "--max-replicas", 2, "--json")
    assert json.loads(low)[0]["pod_hours"] <= 1
    hours = []
    for percent in (0.1, 10):
        _, out = simulate(
            "--trace", trace, "--policy", "predictive", "--target-violation-percent", percent, "--json"
        )
        hours.append(json.loads(out)[0]["pod_hours"])
    assert hours[0] > hours[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--policy", "magic"], "magic"),
        (["--set", "toleranceePercent=5"], "toleranceePercent"),
        (["--target-violation-percent", "0"], "targetViolationPercent"),
        (["--min", "5", "--max", "2"], "max"),
        (["--speedup", "7"], "whole"),
        (["--plot", "x.gif"], ".png"),
    ],
)
def test_errors_name_field_and_mend(trace: Path, arguments: list[str], told: str) -> None:
    status, output = simulate("--trace", trace, *arguments)
    assert status != 0
    assert told in output
    assert "Traceback" not in output


def test_a_missing_trace_is_told(tmp_path: Path) -> None:
    status, output = simulate("--trace", tmp_path / "none.csv")
    assert status != 0
    assert "none.csv" in output.replace("\n", "")


def test_plots(trace: Path, tmp_path: Path) -> None:
    png, html = tmp_path / "out.png", tmp_path / "out.html"
    status, output = simulate("--trace", trace, "--policy", "step,predictive", "--plot", png, "--plot", html)
    assert status == 0, output
    assert png.read_bytes().startswith(b"\x89PNG")
    page = html.read_text()
    assert "<svg" in page
    assert "<title>" in page
    assert "AboveThreshold" in page
