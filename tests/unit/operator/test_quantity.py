"""Kubernetes quantities."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragops.resources.quantity import parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("250m", "0.25"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("3e2", "300"),
        ("3E2", "300"),
        ("1E", "1000000000000000000"),
        ("-1", "-1"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("2Gi", "2147483648"),
        ("1Ei", "1152921504606846976"),
        ("141538n", "0.000141538"),
        ("12u", "0.000012"),
    ],
)
def test_values(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "m", "1K", "1mi", "1 Gi", "1.2.3", "1GiB", "NaN", "Infinity", "1e", "٣"]
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity") as caught:
        parse_quantity(text)
    assert repr(text) in str(caught.value)


@given(st.integers(0, 10**12))
def test_the_same_amount_in_other_units(amount: int) -> None:
    assert parse_quantity(f"{amount}Gi") == parse_quantity(f"{amount * 1024}Mi")
    assert parse_quantity(f"{amount}") == parse_quantity(f"{amount * 1000}m")
