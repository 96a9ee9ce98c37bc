"""From breaches and the audit log to seconds."""

from datetime import UTC, datetime, timedelta

import pytest
from bench.speed import CONTESTANTS, Breach, latencies, percentile
from tests.cluster.operator.audit import Request

START = datetime(2026, 1, 1, tzinfo=UTC)
FAST = CONTESTANTS[0]


def order(name: str, seconds: float, status: int = 200) -> Request:
    """An order that was received a second before it was answered."""
    at = START + timedelta(seconds=seconds)
    return Request(FAST.user, "patch", "deployments/scale", name, at - timedelta(seconds=1), at, status)


def test_the_first_accepted_order_after_the_breach_counts() -> None:
    orders = [
        order("slot0-fast", -5),
        order("slot0-fast", 1.2, status=409),
        order("slot0-slow", 1.3),
        order("slot1-fast", 1.4),
        order("slot0-fast", 1.5),
        order("slot0-fast", 9),
    ]
    assert latencies(FAST, [Breach("slot0", START)], orders) == [1.5]


def test_each_breach_is_one_value_in_ascending_order() -> None:
    breaches = [Breach("slot0", START), Breach("slot0", START + timedelta(seconds=60))]
    assert latencies(FAST, breaches, [order("slot0-fast", 3), order("slot0-fast", 61)]) == [1, 3]


@pytest.mark.parametrize(("percent", "expected"), [(50, 2), (51, 3), (99, 4), (100, 4)])
def test_a_percentile_is_a_measured_value(percent: int, expected: float) -> None:
    assert percentile([1, 2, 3, 4], percent) == expected
