"""What the checks of the pods of a service say about it."""

from dataclasses import replace
from datetime import UTC, datetime

from ragops.api.health import HealthCheckSpec
from ragops.api.status import HealthState
from ragops.health.checks import CheckResult, Checks, judge
from ragops.health.finding import GOOD, Finding, HealthReason

SPEC = HealthCheckSpec()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILING = Finding(HealthState.UNHEALTHY, HealthReason.CHECK_FAILING, "as it was")


def checks(answered: bool = True, why: str = "status 500", **pods: str) -> Checks:
    """Checks of pods by uid: + for a good one, - for a failed one."""
    found = Checks()
    for uid, results in pods.items():
        for good in results:
            result = CheckResult(NOW, good == "+", answered, 0.1, None if good == "+" else why)
            found = found.after(uid, result, SPEC)
    return found


def said(found: Checks, *ready: str, before: Finding = GOOD) -> tuple[HealthState, str | None]:
    finding = judge("/readyz", ready, found, before)
    assert (finding.reason == HealthReason.CHECK_FAILING) == finding.bad
    return finding.state, finding.details


def test_good_checks() -> None:
    assert said(checks(a="++", b="++--"), "a", "b") == (HealthState.HEALTHY, None)


def test_some_pods_fail() -> None:
    text = "the check /readyz fails on 1 of 2 ready pods (status 500)"
    assert said(checks(a="++", b="---"), "a", "b") == (HealthState.DEGRADED, text)


def test_all_pods_fail() -> None:
    one = "the check /readyz fails on the only ready pod (status 500)"
    assert said(checks(a="---"), "a") == (HealthState.UNHEALTHY, one)
    two = "the check /readyz fails on all 2 ready pods (status 500)"
    assert said(checks(a="---", b="-----"), "a", "b") == (HealthState.UNHEALTHY, two)


def test_pods_that_nobody_could_ever_reach_say_nothing() -> None:
    unreached = checks(answered=False, a="-" * 50, b="-" * 50)
    assert said(unreached, "a", "b") == (HealthState.HEALTHY, None)


def test_pods_that_answered_once_and_do_not_any_more_do() -> None:
    found = checks(a="++")
    for _ in range(3):
        found = found.after("a", CheckResult(NOW, False, False, 3.0, "no answer within 3 s"), SPEC)
    text = "the check /readyz fails on the only ready pod (no answer within 3 s)"
    assert said(found, "a") == (HealthState.UNHEALTHY, text)


def test_the_text_stays_while_the_pod_fails_in_other_ways() -> None:
    found = checks(a="++---")
    before = said(found, "a")
    assert said(found.after("a", CheckResult(NOW, False, False, 3.0, "no connection"), SPEC), "a") == before


def test_new_pods_are_neither_good_nor_bad_yet() -> None:
    assert said(checks(a="++"), "a", "new") == (HealthState.HEALTHY, None)
    text = "the check /readyz fails on 1 of 2 ready pods (status 500)"
    assert said(checks(a="---"), "a", "new") == (HealthState.DEGRADED, text)


def test_what_was_believed_stays_until_there_are_enough_checks() -> None:
    """After a restart of the operator, and when all pods are new."""
    was = (FAILING.state, FAILING.details)
    assert said(Checks(), "a", before=FAILING) == was
    assert said(Checks(), before=FAILING) == was
    assert said(checks(a="+"), "a", before=FAILING) == was
    assert said(checks(a="++"), "a", "b", before=FAILING) == was
    assert said(checks(a="++", b="++"), "a", "b", before=FAILING) == (HealthState.HEALTHY, None)
    assert said(checks(answered=False, why="no connection", a="---"), "a", before=FAILING) == was


def test_what_was_believed_ends_when_nobody_is_heard() -> None:
    """The new leader cannot reach the pods that the old one has judged, and readiness decides."""
    unheard = replace(checks(answered=False, a="-" * 6), unheard=True)
    assert said(unheard, "a", before=FAILING) == (HealthState.HEALTHY, None)
    assert said(Checks(unheard=True), "a", before=FAILING) == (HealthState.HEALTHY, None)
    still = unheard.after("a", CheckResult(NOW, False, False, 3.0, "no connection"), SPEC)
    assert said(still, "a", before=FAILING) == (HealthState.HEALTHY, None)
    heard = unheard.after("a", CheckResult(NOW, False, True, 0.1, "status 500"), SPEC)
    assert said(heard, "a")[0] is HealthState.UNHEALTHY
    silent = heard.after("a", CheckResult(NOW, False, False, 3.0, "no connection"), SPEC)
    assert not silent.unheard


def test_pods_that_are_gone_are_forgotten() -> None:
    found = checks(a="++", b="---")
    assert found.only({"a"}).pods.keys() == {"a"}
    assert found.only({"a"}).answered
    assert found.only({"a", "b", "c"}) is found
