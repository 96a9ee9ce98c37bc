"""What `kubectl rag wait` waits for."""

from typing import Any

import pytest

from ragops.cli.failure import Failure
from ragops.cli.wait import ConditionIs, Deleted, RolloutDone, is_met, parse_goal, why_not
from ragops.orchestration.versions import version_of
from ragops.resources.pod import all_of

from .objects import condition, ready, six, system


def test_goals_are_read() -> None:
    assert parse_goal("condition=ready") == ConditionIs("Ready", "True")
    assert parse_goal("condition=Degraded=false") == ConditionIs("Degraded", "False")
    assert parse_goal("rollout=api") == RolloutDone("api")
    assert parse_goal("delete") == Deleted()


@pytest.mark.parametrize(
    "text", ["", "Ready", "condition", "condition=Nix", "condition=Ready=Maybe", "rollout"]
)
def test_other_goals_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_goal(text)


def test_a_condition_counts_for_the_present_spec_alone() -> None:
    goal = parse_goal("condition=Ready")
    assert is_met(goal, system(six(), conditions=[condition("Ready", "True", "x")]))
    assert not is_met(goal, system(six(), conditions=[condition("Ready", "True", "x", generation=2)]))
    assert not is_met(goal, system(six(), conditions=[condition("Ready", "False", "x")]))
    assert not is_met(goal, system(six(), observed=None))


def version(image: str = "services:1", **changes: Any) -> dict[str, Any]:
    """What api is made from."""
    service = system(six(api=changes)).service("api").spec
    assert service is not None
    return version_of(service, all_of(image)).to_wire()


def test_a_rollout_is_done_when_none_is_under_way() -> None:
    goal = parse_goal("rollout=api")
    stable = version()
    assert is_met(goal, system(six(), {"api": ready(stable=stable)}))
    assert not is_met(goal, system(six(), {"api": ready(stable=stable)}, observed=2))
    assert not is_met(goal, system(six()))
    rollout = {"revision": "r2", "phase": "Shifting"}
    assert not is_met(goal, system(six(), {"api": ready(stable=stable, rollout=rollout)}))


def test_what_is_not_of_the_spec_is_not_rolled_out() -> None:
    goal = parse_goal("rollout=api")
    for stable, met in (
        (version(), True),
        (version("services:2"), True),
        (version() | {"revision": "of an operator that knows other fields"}, True),
        (version(image="services:1") | {"spec": {"notThere": 1}}, False),
        (version(env=[{"name": "A", "value": "1"}]), False),
    ):
        assert is_met(goal, system(six(), {"api": ready(stable=stable)})) is met
    fixed = six(api={"image": "mine:2"})
    assert not is_met(goal, system(fixed, {"api": ready(stable=version(image="mine:1"))}))


def test_what_the_operator_does_not_act_on_is_not_rolled_out() -> None:
    goal = parse_goal("rollout=api")
    known = {"api": ready(stable=version())}
    paused = system(six(), known, paused=True)
    assert not is_met(goal, paused)
    assert "paused" in why_not(goal, paused)
    refused = system(six(), known, [condition("Accepted", "False", "Invalid", "no such type")])
    assert not is_met(goal, refused)
    assert "not accepted: Invalid: no such type" in why_not(goal, refused)
    assert is_met(goal, system(six(), known, [condition("Accepted", "True", "Valid")]))


def test_an_aborted_rollout_is_not_waited_for() -> None:
    rollout = {"revision": "r2", "phase": "Aborted", "reason": "CrashLoop", "message": "it crashed"}
    with pytest.raises(Failure, match=r"aborted \(CrashLoop: it crashed\)"):
        is_met(parse_goal("rollout=api"), system(six(), {"api": ready(rollout=rollout)}))


def test_deletion() -> None:
    assert is_met(Deleted(), None)
    assert not is_met(Deleted(), system(six()))
    with pytest.raises(Failure, match="deleted meanwhile"):
        is_met(parse_goal("condition=Ready"), None)


@pytest.mark.parametrize(
    ("goal", "observed", "why"),
    [
        ("condition=Ready", 3, "it is False, ServicesNotReady: api waits; see kubectl rag explain demo"),
        ("condition=Degraded", 3, "there is no such condition yet; see kubectl rag explain demo"),
        ("condition=Ready", 2, "the operator has not acted on generation 3 yet: does it run?"),
        ("rollout=api", 3, "it is Shifting; see kubectl rag rollout status demo api"),
        ("rollout=generation", 3, "was not rolled out in full yet"),
        ("delete", 3, "it still exists"),
    ],
)
def test_what_stands_in_the_way(goal: str, observed: int, why: str) -> None:
    rollout = {"revision": "r2", "phase": "Shifting"}
    conditions = [condition("Ready", "False", "ServicesNotReady", "api waits")]
    shown = system(six(), {"api": ready(rollout=rollout)}, conditions, observed)
    assert why in why_not(parse_goal(goal), shown)
