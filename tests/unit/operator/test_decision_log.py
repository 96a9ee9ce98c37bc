"""The writer of the decision log: each file can be read by itself, and nothing waits for a disk."""

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from tests.cluster.operator.eventually import eventually
from tests.unit.scaling.recorded import START, policy, records

from ragops.api.autoscaling import MetricType
from ragops.scaling.record import DroppedEntry, Entry, Record, decode
from ragops.scaling.window import Sample, Window, reading
from ragops.telemetry.decisions import DecisionLog


def kinds(entries: Iterable[Entry]) -> list[str]:
    return [entry.kind for entry in entries]


def dropped() -> float:
    return REGISTRY.get_sample_value("ragops_decision_log_dropped_total") or 0


def read(path: Path) -> list[Entry]:
    return [decode(line) for line in path.read_text().splitlines()]


def write(path: Path, *given: Record, max_bytes: int = 10**6) -> None:
    with DecisionLog(str(path), max_bytes) as log:
        for record in given:
            log.add(record)


def test_the_log_is_written_by_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    made = list(records([50] * 3, policy()))
    with DecisionLog(str(path), 10**6) as log:
        log.reset(START)
        for record in made:
            log.add(record)
    assert kinds(read(path)) == ["reset", "policy", "window", "decision", *["sample", "decision"] * 2]


def test_a_killed_operators_half_line_is_left_and_the_next_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    made = list(records([50] * 3, policy()))
    write(path, made[0])
    path.write_text(path.read_text()[:-10])
    write(path, made[1])
    lines = path.read_text().splitlines()
    assert kinds([decode(line) for line in lines[3:]]) == ["policy", "window", "decision"]
    with pytest.raises(ValueError, match="Unterminated"):
        decode(lines[2])


def test_a_full_file_becomes_the_old_one_and_each_can_be_read_alone(tmp_path: Path) -> None:
    path, old = tmp_path / "log", tmp_path / "log.1"
    made = list(records([50] * 60, policy()))
    write(path, *made, max_bytes=4096)
    assert sorted(tmp_path.iterdir()) == [path, old]
    for file in (path, old):
        assert kinds(read(file))[:3] == ["policy", "window", "decision"]
    assert 4096 <= old.stat().st_size < 4096 + 2000
    assert path.stat().st_size < 4096 + 2000
    assert read(path)[-1].at == made[-1].at


def test_what_does_not_fit_is_counted_and_marked(tmp_path: Path) -> None:
    path = tmp_path / "log"
    made = list(records([50] * 5, policy()))
    log = DecisionLog(str(path), 10**6, capacity=2)
    for record in made:  # before anything is taken out of the queue
        log.add(record)
    with log:
        pass
    entries = read(path)
    assert kinds(entries) == ["policy", "window", "decision", "sample", "decision", "dropped"]
    assert isinstance(entries[-1], DroppedEntry)
    assert entries[-1].decisions == 3


def test_a_disk_that_takes_nothing_stops_nobody_and_is_told_once_it_does(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "log"
    made = list(records([50] * 4, policy()))
    before = dropped()
    with DecisionLog(str(path), 10**6) as log:
        log.add(made[0])
        eventually(lambda: dropped() == before + 1, "it is counted")
        path.parent.mkdir()
        log.add(made[1])
    entries = read(path)
    assert kinds(entries) == ["policy", "window", "decision", "dropped"]
    assert isinstance(entries[-1], DroppedEntry)
    assert entries[-1].decisions == 1


def test_a_full_disk_is_counted_and_stops_nobody() -> None:
    before = dropped()
    with DecisionLog("/dev/full", 10**6) as log:
        for count, record in enumerate(records([50] * 2, policy()), 1):
            log.add(record)
            eventually(lambda count=count: dropped() == before + count, "it is counted")


def test_a_record_that_json_cannot_hold_is_left_out_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    made = list(records([50] * 3, policy()))
    bad = Window((Sample(START, {MetricType.CPU: replace(reading([1]), total=math.nan)}),))
    write(path, made[0], replace(made[1], window=bad), made[2])
    assert kinds(read(path)) == [*["policy", "window", "decision"] * 2, "dropped"]


def test_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with DecisionLog("-", 10) as log:  # never full
        for record in records([50] * 3, policy()):
            log.add(record)
    lines = capsysbinary.readouterr().out.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == [
        "policy",
        "window",
        "decision",
        *["sample", "decision"] * 2,
    ]
