"""Reading the text format: what is wanted of it, and nothing that it can do to us."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from ragops.metrics.exposition import MAX_BYTES, MAX_LINE, MAX_LINES, Exposition, Series, parse
from ragops.metrics.source import MissingReason, SourceError

WANTED = ("app_total", "app_queue", "app_seconds_count", "app_seconds_sum")


def values(text: str | bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    body = text.encode() if isinstance(text, str) else text
    return {(s.name, tuple(sorted(s.labels))): v for s, v in parse(body, WANTED).values.items()}


def reason(body: bytes) -> MissingReason:
    with pytest.raises(SourceError) as refused:
        parse(body, WANTED)
    return refused.value.missing.reason


@pytest.mark.parametrize("generate", [generate_latest, generate_openmetrics])
def test_what_the_official_client_writes(generate: object) -> None:
    assert callable(generate)
    registry = CollectorRegistry()
    counter = Counter("app", "Help with\nlines", ["route"], registry=registry)
    counter.labels('/a"b}c\\n # {').inc(3)
    Gauge("app_queue", "Waiting", registry=registry).set(7.5)
    Histogram("app_seconds", "Times", registry=registry).observe(0.25, {"trace_id": "x"})
    assert values(generate(registry)) == {
        ("app_total", (("route", '/a"b}c\\n # {'),)): 3,
        ("app_queue", ()): 7.5,
        ("app_seconds_count", ()): 1,
        ("app_seconds_sum", ()): 0.25,
    }


def test_forms_that_the_format_allows() -> None:
    text = '  app_total { a = "x" , } 1e3 1700000000000\r\napp_queue\t+Inf\napp_seconds_count 1 # {a="b"} 5 6'
    assert values(text) == {
        ("app_total", (("a", "x"),)): 1000,
        ("app_queue", ()): float("inf"),
        ("app_seconds_count", ()): 1,
    }


def test_what_is_not_wanted_is_not_looked_at() -> None:
    assert values(b"app_total_other 1\n\xff\xfe{ 5\nother{app_total 3\n# app_total 4\nx app_total 1\n") == {}


def test_a_metric_without_series_is_exposed() -> None:
    found = parse(b"# TYPE app counter\n# TYPE app_seconds histogram\n", WANTED)
    assert found.values == {}
    assert [name for name in WANTED if found.exposes(name)] == [
        "app_total",
        "app_seconds_count",
        "app_seconds_sum",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "app_total",
        "app_total x",
        "app_total 1_0",
        'app_total{a="x 1',
        "app_total{a=x} 1",
        'app_total{a="1",a="2"} 1',
        'app_total{ ="x"} 1',
        "app_total{}}} 1",
        "app_total{,\t={,} 1",
    ],
)
def test_a_wanted_line_that_cannot_be_read(line: str) -> None:
    assert reason(f"app_queue 1\n{line} \n".encode()) is MissingReason.MALFORMED


def test_what_is_not_utf_8() -> None:
    assert reason(b'app_total{a="\xff"} 1\n') is MissingReason.MALFORMED


def test_limits() -> None:
    series = [f'app_total{{a="{i}"}} 1' for i in range(MAX_LINES + 1)]
    assert len(values("\n".join(series[:-1]))) == MAX_LINES
    assert reason("\n".join(series).encode()) is MissingReason.TOO_LARGE
    assert reason(f'app_total{{a="{"x" * MAX_LINE}"}} 1'.encode()) is MissingReason.TOO_LARGE
    assert reason(b"\n" * (MAX_BYTES + 1)) is MissingReason.TOO_LARGE


@given(st.lists(st.text(alphabet='app_total{}="\\, #\n\t 10.eN+é', max_size=60)))
def test_whatever_comes_is_read_or_refused(lines: list[str]) -> None:
    body = "\n".join(f"app_total{line}" for line in lines).encode()
    with suppress(SourceError):
        assert isinstance(parse(body, WANTED), Exposition)


@given(st.dictionaries(st.text(max_size=30), st.floats(allow_nan=False), max_size=5))
def test_what_was_written_is_read(given_values: dict[str, float]) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("app_queue", "", ["a"], registry=registry)
    for label, value in given_values.items():
        gauge.labels(label).set(value)
    found = parse(generate_latest(registry), WANTED).values
    assert found == {Series("app_queue", frozenset({("a", k)})): v for k, v in given_values.items()}
