"""The retry budget."""

from ragops.gateway.retries import HALF_LIFE_SECONDS, RESERVE, Budget


def test_few_retries_are_always_granted() -> None:
    assert Budget().spend(0, int(RESERVE) - 1, 0).allows(20)
    assert not Budget().spend(0, int(RESERVE), 0).allows(20)


def test_none_where_the_budget_is_none() -> None:
    assert not Budget().spend(1000, 0, 0).allows(0)


def test_a_share_of_the_requests() -> None:
    assert Budget().spend(1000, 200, 0).allows(20)
    assert not Budget().spend(1000, 211, 0).allows(20)


def test_an_outage_is_not_multiplied() -> None:
    """All fail and each would be repeated twice: a fifth more, and no more."""
    budget, tried = Budget(), 0
    for look in range(400):
        retries = 60 if budget.allows(20) else 0
        tried += retries
        budget = budget.spend(30, retries, look * 0.25)
    assert tried <= 0.25 * 400 * 30


def test_the_budget_comes_back() -> None:
    budget = Budget().spend(100, 100, 0)
    assert not budget.allows(20)
    assert budget.spend(100, 0, 3 * HALF_LIFE_SECONDS).allows(20)
