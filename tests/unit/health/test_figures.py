"""Response time and errors over the last minute."""

from datetime import UTC, datetime, timedelta

from ragops.health.figures import Figures, Requests, figures, with_sample

START = datetime(2026, 1, 1, tzinfo=UTC)


def sample(seconds: float, counted: float = 10, failed: float = 0, each_ms: float = 100) -> Requests:
    return Requests(START + timedelta(seconds=seconds), counted, failed, counted, counted * each_ms)


def measured(*samples: Requests) -> Figures:
    kept: tuple[Requests, ...] = ()
    for one in samples:
        kept = with_sample(kept, one)
    found = figures(kept)
    assert found is not None
    return found


def test_nothing_is_known_without_samples() -> None:
    assert figures(()) is None


def test_a_mean_by_requests() -> None:
    found = measured(sample(0, 90, 9, 100), sample(10, 10, 1, 1100))
    assert (found.requests, found.errors, found.error_percent) == (100, 10, 10)
    assert found.response_time_ms == 200


def test_a_minute_is_kept() -> None:
    found = measured(*(sample(10 * n, failed=10 if n == 0 else 0) for n in range(6)))
    assert found.errors == 10
    found = measured(*(sample(10 * n, failed=10 if n == 0 else 0) for n in range(7)))
    assert (found.requests, found.errors) == (60, 0)


def test_a_clock_that_was_set_back_begins_anew() -> None:
    assert measured(sample(100), sample(0)).requests == 10


def test_few_requests_speak_only_for_a_service() -> None:
    bad, good = measured(sample(0, 4, 4, 9000)), measured(sample(0, 4, 0, 10))
    assert bad.judged(bad.error_percent, 5) is None
    assert bad.judged(bad.response_time_ms, 500) is None
    assert good.judged(good.response_time_ms, 500) == 10
    enough = measured(sample(0, 5, 5))
    assert enough.judged(enough.error_percent, 5) == 100


def test_no_request_failed_where_there_was_none() -> None:
    idle = measured(sample(0, 0))
    assert (idle.response_time_ms, idle.error_percent) == (None, None)
    assert idle.judged(idle.error_percent, 5) == 0
