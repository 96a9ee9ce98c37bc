"""What a cell of the load-balancing benchmark leaves behind."""

import json
from pathlib import Path

import pytest
from bench.balance import SCENARIOS, Cell, settle
from bench.balancers import BALANCERS


@pytest.mark.parametrize(("good", "kept"), [(9000, False), (8999, True)])
def test_the_logs_of_a_bad_cell_are_kept_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], good: int, kept: bool
) -> None:
    figures = {
        "requests": 10_000,
        "good": good,
        "statuses": {"200": good, "503": 10_000 - good},
        "lagP99": 1.5,
        "lagMax": 7,
        "series": [{"requests": 480, "good": 7}],
    }
    folder = tmp_path / "cell"
    folder.mkdir()
    (folder / "agent.log").write_text("why")
    settle(Cell(BALANCERS[0], SCENARIOS[0], figures, 60), folder)
    told = capsys.readouterr().err
    assert folder.exists() is kept
    if kept:
        assert (folder / "agent.log").read_text() == "why"
        assert json.loads((folder / "figures.json").read_text()) == figures
        for part in (str(folder), "89.99 %", "'503': 1001", "1.5 ms", "7.0 ms"):
            assert part in told
    else:
        assert told == ""
