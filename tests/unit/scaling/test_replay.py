"""`ragops replay`: the same inputs give the same decisions, and whatever does not is told."""

import io
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.scaling.recorded import START, policy, records
from typer.testing import CliRunner

from ragops.cli.main import app
from ragops.cli.replay import replay, show_replay
from ragops.orchestration.owners import left_to
from ragops.scaling.decision import Replicas, ScalingReason, ScalingState
from ragops.scaling.record import DroppedEntry, Record, Recorder, ResetEntry, Subject, encode
from ragops.scaling.window import Window

LOAD = [50, 95, 95, 95, 50, 50, *[None] * 8, 95, *[10] * 40]
FAST = {"cooldownSeconds": 20, "stabilitySeconds": 30}
API = Subject("default", "demo", "api")


def lines_of(*made: Iterable[Record]) -> list[str]:
    """A log of these, one after the other."""
    recorder = Recorder()
    return [encode(e) for some in made for record in some for e in recorder.entries(record)]


def text_of(lines: Iterable[str], service: str | None = None) -> str:
    out = io.StringIO()
    show_replay(lines, service, False, out)
    return out.getvalue()


def test_a_log_is_confirmed() -> None:
    """Through changes of the policy, and a new leader, which has no samples."""
    one, other = records(LOAD, policy(**FAST)), records(LOAD, policy(step=2, **FAST))
    found = replay(lines_of(one, other))
    assert found.confirmed
    assert (found.same, found.incomparable, found.different) == (2 * len(LOAD), 0, [])
    assert [(c.before, c.after) for c in found.changes[:2]] == [(2, 3), (3, 4)]
    assert found.changes[-1].reason == ScalingReason.BELOW_THRESHOLDS


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": Replicas(9, 9)},
        {"window": Window()},
        {"state": ScalingState(last_scale_time=START)},
        {"policy": policy(step=3, **FAST)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_input_counts(change: dict[str, Any]) -> None:
    made = list(records(LOAD, policy(**FAST)))
    made[1] = replace(made[1], **change)
    found = replay(lines_of(made))
    assert not found.confirmed
    assert [difference.at for difference in found.different] == [made[1].at]


def test_several_services_do_not_mix() -> None:
    one = records(LOAD, policy(**FAST))
    two = records(reversed(LOAD), policy(step=2, **FAST), API)
    both = lines_of([record for pair in zip(one, two, strict=True) for record in pair])
    assert replay(both).same == 2 * len(LOAD)
    assert replay(both, "api").same == len(LOAD)
    with pytest.raises(ValueError, match="no decision on a service named web: the log has api, generation"):
        replay(both, "web")


def test_a_decision_that_comes_out_otherwise_is_told_field_by_field() -> None:
    made = list(records(LOAD, policy(**FAST)))
    made[1] = replace(made[1], replicas=Replicas(9, 9))
    log = lines_of(made)
    found = replay(log)
    assert not found.confirmed
    (difference,) = found.different
    assert json.loads(log[difference.line - 1])["replicas"] == {"wanted": 9, "ready": 9, "beside": 0}
    assert difference.fields["desired"] == (made[1].decision.desired, 10)
    assert "inputs" not in difference.fields
    text = text_of(log)
    assert f"line {difference.line}: default/demo/generation at 2026-01-01 00:00:10 differs\n" in text
    assert f"  desired: recorded {made[1].decision.desired}, now 10\n" in text
    assert f"{len(LOAD)} decisions: {len(LOAD) - 1} the same, 1 different" in text


def test_a_log_that_begins_in_the_middle_is_compared_as_far_as_it_goes() -> None:
    begun = lines_of(records(LOAD, policy(**FAST)))[3:]
    with_another = [*begun, *lines_of(records(LOAD[:4], policy(**FAST), API))]
    found = replay(with_another)
    assert found.confirmed
    assert (found.incomparable, found.same) == (len(LOAD) - 1, 4)
    assert not replay(begun).confirmed
    assert f"{len(LOAD) - 1} cannot be compared" in text_of(begun)


def test_a_cut_last_line_is_told_and_does_no_harm() -> None:
    log = lines_of(records(LOAD, policy(**FAST)))
    log[-1] = log[-1][:40]
    found = replay(log)
    assert found.confirmed
    assert list(found.unreadable) == [len(log)]
    assert f"line {len(log)} cannot be read: " in text_of(log)


def test_what_a_bad_line_has_said_is_not_guessed() -> None:
    """A lost sample would make decisions differ that were right."""
    made = list(records(LOAD, policy(**FAST)))
    log = lines_of(made[:2])
    bad = log.pop(3)
    assert '"kind":"sample"' in bad
    log = [*log[:3], bad[:-5], *log[3:], *lines_of(made[2:])]  # another operator goes on in the same file
    found = replay(log)
    assert found.confirmed
    assert (found.incomparable, found.same) == (1, len(LOAD) - 1)


def test_lines_of_other_programs_are_passed_over() -> None:
    log = lines_of(records(LOAD, policy(**FAST)))
    mixed = [line for pair in zip(log, ["", '{"level":"info"}', "text"] * 99, strict=False) for line in pair]
    assert replay(mixed).confirmed
    with pytest.raises(ValueError, match="no decision in the log: give a file"):
        replay(["text"])


def test_what_others_do_is_told_and_not_compared() -> None:
    made = list(records([50, 50, 50], policy()))
    decision = left_to("HorizontalPodAutoscaler web", 7)
    made[1] = replace(made[1], replicas=Replicas(7, 7), decision=decision)
    text = text_of(lines_of(made))
    assert "2026-01-01 00:00:10  default/demo/generation     2 -> 7     Others: not by ragops\n" in text
    assert "1 were left to autoscalers of others" in text
    assert "3 decisions: 2 the same, 0 different" in text


def test_leaders_and_dropped_decisions_are_told() -> None:
    log = [encode(ResetEntry(START)), *lines_of(records([50], policy())), encode(DroppedEntry(START, 3))]
    text = text_of(log)
    assert "an operator began to act at 2026-01-01 00:00:00\n" in text
    assert "3 were not written by the operator" in text


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "log"
    made = list(records(LOAD, policy(**FAST)))
    path.write_text("\n".join(lines_of(made)))
    done = CliRunner().invoke(app, ["replay", str(path), "--json", "--service", "generation"])
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert (found["confirmed"], found["decisions"], found["same"]) == (True, len(LOAD), len(LOAD))
    assert found["services"] == ["default/demo/generation"]
    assert found["changes"][0]["at"].startswith("2026-01-01T00:00:10")

    made[0] = replace(made[0], replicas=Replicas(9, 9))
    path.write_text("\n".join(lines_of(made)))
    done = CliRunner().invoke(app, ["replay", str(path), "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["different"][0]["fields"]["desired"] == [2, 9]

    done = CliRunner().invoke(app, ["replay", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "none cannot be read: No such file or directory" in done.stderr
