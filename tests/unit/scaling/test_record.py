"""The lines of the decision log: what is written is what was, and no more than is new."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scaling.recorded import START, WEB, policy, records
from tests.unit.scaling.running import Run, examples, experienced

from ragops.api.autoscaling import MetricType
from ragops.api.status import ScalingChange, ScalingPeak
from ragops.scaling.decision import ScalingState
from ragops.scaling.record import (
    DroppedEntry,
    Entry,
    Recorder,
    ResetEntry,
    SampleEntry,
    WindowEntry,
    decode,
    encode,
    is_entry,
)
from ragops.scaling.window import Reading, Sample, Window, reading


def kinds(entries: list[Entry]) -> list[str]:
    return [entry.kind for entry in entries]


numbers = st.floats(allow_nan=False, allow_infinity=False)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
counts = st.integers(0, 1000)
readings = st.builds(
    Reading, total=numbers, measured=counts, ready=counts, weight=st.none() | numbers, excess=numbers
)
samples = st.builds(
    Sample,
    at=times,
    readings=st.dictionaries(st.sampled_from(MetricType), readings),
    arrivals=st.one_of(st.none(), readings),
    missing=st.dictionaries(st.sampled_from(MetricType), st.text()),
    start_seconds=st.none() | numbers,
)


@given(sample=samples)
@examples(100)
def test_samples_come_back_to_the_last_bit(sample: Sample) -> None:
    entry = SampleEntry(sample.at, *WEB, sample=sample)
    assert decode(encode(entry)) == entry


@given(samples=st.lists(samples, max_size=3), seen_until=st.one_of(st.none(), times))
@examples(50)
def test_windows_come_back(samples: list[Sample], seen_until: datetime | None) -> None:
    entry = WindowEntry(START, *WEB, window=Window(tuple(samples), seen_until))
    assert decode(encode(entry)) == entry


def test_what_has_been_learned_comes_back() -> None:
    """To the last bit: its arrays go through lists, and the bytes written are the same again."""
    run = experienced(Run(policy(mode="Predictive"), replicas=8))
    entry = WindowEntry(START, *WEB, window=run.window)
    back = decode(encode(entry))
    assert isinstance(back, WindowEntry)
    assert back.window.learned is not None
    assert encode(back) == encode(entry)
    again = Run(run.policy, replicas=8, window=back.window)
    decision = run.serve(55.0)
    assert decision.forecast is not None
    assert again.serve(55.0) == decision


def test_policies_states_and_decisions_come_back() -> None:
    first = next(records([1 / 3], policy(scaleUpCooldownSeconds=7)))
    state = ScalingState(
        stable_since=START,
        last_scale_time=START,
        peaks=(ScalingPeak(since=START, desired=3),),
        changes=(ScalingChange(time=START, replicas=2),),
    )
    decision = replace(first.decision, cooldown_until=START, peaks=state.peaks)
    entries = Recorder().entries(replace(first, state=state, decision=decision))
    assert kinds(entries) == ["policy", "window", "decision"]
    assert [decode(encode(entry)) for entry in entries] == entries
    for entry in (ResetEntry(START, None), ResetEntry(START, START), DroppedEntry(START, 3)):
        assert decode(encode(entry)) == entry


def test_a_line_names_what_it_speaks_of_first() -> None:
    line = encode(next(iter(Recorder().entries(next(records([50], policy()))))))
    assert line.startswith(
        '{"kind":"policy","at":"2026-01-01T00:00:05.000123Z",'
        '"namespace":"default","rag":"demo","service":"generation",'
    )
    assert is_entry(line)
    assert not is_entry('{"level": "info", "message": "scale"}')


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_refused(number: float) -> None:
    sample = Sample(START, {MetricType.CPU: replace(reading([1]), total=number)})
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(SampleEntry(START, *WEB, sample=sample))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"kind":"sample","at":"2026', "Unterminated string"),
        ('{"kind":"forecast","at":"2026-01-01T00:00:00Z"}', "'forecast'"),
        ('{"kind":"dropped","at":"2026-01-01T00:00:00Z","decisions":"many"}', "dropped.decisions: "),
        ('{"kind":"dropped","at":"2026-01-01T00:00:00Z","decisions":NaN}', "NaN is not a number"),
    ],
    ids=["cut", "kind", "field", "nan"],
)
def test_a_bad_line_is_told(line: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        decode(line)


def test_only_what_is_new_is_written() -> None:
    recorder = Recorder()
    entries = [recorder.entries(record) for record in records([50] * 20, policy())]
    assert kinds(entries[0]) == ["policy", "window", "decision"]
    assert {tuple(kinds(e)) for e in entries[1:]} == {("sample", "decision")}
    last = list(records([50] * 21, policy()))[-1]
    assert kinds(recorder.entries(last)) == ["sample", "decision"]
    assert kinds(recorder.entries(last)) == ["decision"]
    assert kinds(recorder.entries(replace(last, policy=policy(step=2)))) == ["policy", "decision"]


def test_a_window_that_does_not_follow_is_written_whole() -> None:
    recorder = Recorder()
    record = list(records([50] * 3, policy()))[-1]
    recorder.entries(record)
    for window in (Window(), Window(seen_until=START), Window(record.window.samples[:1])):
        entries = recorder.entries(replace(record, window=window))
        assert kinds(entries) == ["window", "decision"]
        assert isinstance(entries[0], WindowEntry)
        assert entries[0].window == window
