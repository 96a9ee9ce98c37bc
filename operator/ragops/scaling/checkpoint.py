"""What mode Predictive has learned of a service as a few kilobytes, to survive the operator."""

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ragops.scaling.forecast import Forecast
from ragops.scaling.learning import Learned
from ragops.scaling.points import SLOTS, Points

MAX_BYTES: Final = 8 * 2**20
"""Of the text: ten times what a season that is full takes."""

_LEARNED: Final = TypeAdapter(Learned)


def encode(learned: Learned) -> bytes:
    """Compressed JSON, some 150 kB at most. Raises ValueError where a number is not finite."""
    fields = _LEARNED.dump_python(learned, mode="json")
    return zlib.compress(json.dumps(fields, allow_nan=False, separators=(",", ":")).encode())


def decode(data: bytes) -> Learned:
    """Reads it. Raises ValueError where it is of another version or spoiled: it is then learned anew."""
    unpack = zlib.decompressobj()
    try:
        text = unpack.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"not compressed as it should be: {error}") from error
    if not unpack.eof:
        raise ValueError(f"cut off, or longer than {MAX_BYTES} bytes")
    try:
        learned = _LEARNED.validate_python(json.loads(text, parse_constant=_refuse))
    except ValidationError as error:
        raise ValueError(f"fields of another version: {error.errors(include_url=False)[0]['msg']}") from error
    if learned.forecast is not None:
        _check(learned.forecast)
    return learned


def _check(forecast: Forecast) -> None:
    """Arrays of other lengths would fail at each sample from now on."""
    fresh = Forecast.first(1.0, 0.0, 1.0, leads=(1,) * SLOTS)
    wanted, issued = (dict(_shapes(vars(part))) for part in (fresh, fresh.issued[0]))
    if (
        len(forecast.leads) != SLOTS
        or dict(_shapes(vars(forecast))) != wanted
        or any(dict(_shapes(vars(each))) != issued for each in forecast.issued)
    ):
        raise ValueError("arrays of another version")
    season = forecast.season
    if len(season.totals) != len(season.counts) or not len(season.profile) or season.bucket_seconds <= 0:
        raise ValueError("a season of another version")


def _shapes(fields: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Of the arrays in there, but those of the season, which grow."""
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            yield name, value.shape
        elif isinstance(value, Points):
            yield from _shapes(vars(value))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
