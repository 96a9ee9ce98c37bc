"""What was learned, stored and read again: the same decisions; spoiled, it is refused, not half used."""

import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ragops.api.autoscaling import MetricType
from ragops.scaling.checkpoint import MAX_BYTES, decode, encode
from ragops.scaling.learning import Learned, learn
from ragops.scaling.sample import Sample, reading

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = 15


def sample(number: int) -> Sample:
    """Two pods whose load has a rhythm of ten minutes."""
    load = 10.0 + (5.0 if number // 20 % 2 else 0.0) + number % 3
    return Sample(
        BEGIN + timedelta(seconds=EVERY * number),
        {MetricType.CPU: reading([50.0, 60.0]), MetricType.RESPONSE_TIME: reading([200.0, 210.0])},
        arrivals=reading([load / 2] * 2),
        start_seconds=20.0,
    )


def after(learned: Learned | None, samples: range) -> Learned:
    for number in samples:
        learned = learn(learned, sample(number), EVERY)
    assert learned is not None
    return learned


@pytest.fixture(scope="module")
def learned() -> Learned:
    return after(None, range(300))


def spoiled(learned: Learned, *path: str | int, value: Any) -> bytes:
    """The stored form with one field replaced."""
    fields = json.loads(zlib.decompress(encode(learned)))
    part = fields
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return zlib.compress(json.dumps(fields).encode())


def test_what_is_read_again_goes_on_as_if_never_stored(learned: Learned) -> None:
    read = decode(encode(learned))
    assert encode(read) == encode(learned)
    assert encode(after(read, range(300, 320))) == encode(after(learned, range(300, 320)))


def test_without_a_forecast_yet() -> None:
    assert decode(encode(Learned())) == Learned()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("forecast", "densities"), [[1.0]]),
        (("forecast", "points", "normal"), [1.0]),
        (("forecast", "issued", 0, "scales"), []),
        (("forecast", "leads"), [1]),
        (("forecast", "season", "counts"), [1.0]),
        (("forecast", "season", "profile"), []),
        (("forecast", "season", "bucket_seconds"), 0),
        (("forecast", "points"), {}),
        (("capacity",), None),
        (("at",), "yesterday"),
    ],
    ids=str,
)
def test_of_another_version(learned: Learned, path: tuple[str | int, ...], value: Any) -> None:
    with pytest.raises(ValueError, match=r"version|inhomogeneous"):
        decode(spoiled(learned, *path, value=value))


@pytest.mark.parametrize("data", [b"", b"text", zlib.compress(b"[]"), zlib.compress(b'{"at": NaN}')], ids=str)
def test_spoiled(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(data)


def test_cut_off(learned: Learned) -> None:
    with pytest.raises(ValueError, match="cut off"):
        decode(encode(learned)[:-20])


def test_a_bomb() -> None:
    with pytest.raises(ValueError, match="longer than"):
        decode(zlib.compress(b" " * (MAX_BYTES + 1)))


def test_what_is_not_finite_is_not_stored(learned: Learned) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode(replace(learned, at=float("nan")))
