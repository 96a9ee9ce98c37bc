"""What is said of a rollout, and what may be asked of it."""

from typing import Any

import pytest

from ragops.cli.failure import Failure
from ragops.cli.rollout import asked_for, describe, order
from ragops.cli.system import System
from ragops.orchestration.rollout_case import Command

from .objects import NOW, ago, ready, system

KEY = "rollout.ragops.dev/a"
CANARY = {"strategy": "Canary", "canary": {"steps": [{"weightPercent": 20, "pauseSeconds": 90}]}}
BLUE_GREEN = {"strategy": "BlueGreen", "blueGreen": {"checkSeconds": 30, "scaleDownDelaySeconds": 120}}


def rolling(
    phase: str | None, strategy: dict[str, Any] | None = None, annotation: str | None = None, **fields: Any
) -> System:
    """A system with a service `a` whose rollout is in a phase for 20 s."""
    rollout = phase and {"revision": "r2", "phase": phase, "since": ago(seconds=20), **fields}
    return system(
        [{"name": "a", "type": "Generation", "rollout": strategy or CANARY}],
        {"a": ready(rollout=rollout, stable={"revision": "r1"}, previous={"revision": "r0"})},
        annotations={KEY: annotation} if annotation else {},
    )


def lines(shown: System) -> list[str]:
    """What is said of the rollout of `a`."""
    return describe(shown, shown.service("a"), NOW)


def test_at_rest_the_way_back_is_named() -> None:
    assert lines(rolling(None)) == [
        "no rollout under way; version r1 runs",
        "to go back to version r0: kubectl rag rollout undo demo a",
    ]


def test_a_canary_in_a_step() -> None:
    shown = rolling("Shifting", step=0, weightPercent=20, message="as wished", readyReplicas=2)
    assert lines(shown) == [
        "Canary of version r2: Shifting 20%, step 1 of 1, since 20s",
        "as wished",
        "version r1 is the one to go back to",
        "ready pods of the second workload: 2",
        "judged good, it goes on at the earliest at 12:01:10Z (in 1m10s)",
        "next: nothing; to stop it: kubectl rag rollout abort demo a",
    ]


@pytest.mark.parametrize(
    ("phase", "what"),
    [
        ("Starting", "it is aborted unless the new pods are ready by 12:04:40Z (in 4m40s)"),
        ("Checking", "healthy until then, it goes on at 12:00:10Z (in 10s)"),
        ("Switched", "the old version is kept until 12:01:40Z (in 1m40s)"),
    ],
)
def test_what_comes_next_by_itself(phase: str, what: str) -> None:
    assert what in lines(rolling(phase, BLUE_GREEN))


@pytest.mark.parametrize(
    ("phase", "fields", "step"),
    [
        ("Paused", {}, "kubectl rag rollout promote demo a, or kubectl rag rollout abort demo a"),
        ("Aborted", {}, "correct the spec and apply it, or kubectl rag rollout undo demo a"),
        (
            "Waiting",
            {"waitingFor": ["b"]},
            "nothing; what it waits for: kubectl rag rollout status demo b",
        ),
        (
            "Updating",
            {"reason": "CrashLoop", "message": "m"},
            "correct the spec and apply it, or kubectl rag rollout undo demo a",
        ),
        ("Updating", {}, "nothing; to stop it: kubectl rag rollout abort demo a"),
    ],
)
def test_the_right_next_step(phase: str, fields: dict[str, Any], step: str) -> None:
    assert lines(rolling(phase, **fields))[-1] == f"next: {step}"


def test_nothing_goes_on_while_paused() -> None:
    shown = system(
        [{"name": "a", "type": "Generation"}],
        {"a": ready(rollout={"revision": "r2", "phase": "Updating"})},
        paused=True,
    )
    assert lines(shown)[-1] == "next: spec.paused is true and nothing goes on; set it to false"


def test_a_command_of_an_earlier_rollout_of_this_version_is_not_taken_for_one() -> None:
    old = rolling("Paused", annotation="promote:r2", oldCommand="promote:r2")
    assert asked_for(old, "a") is None
    assert order(old, "a", Command.PROMOTE) == {KEY: "promote:r2:again"}
    again = rolling("Paused", annotation="promote:r2:again", oldCommand="promote:r2")
    assert asked_for(again, "a") is Command.PROMOTE
    once_more = rolling("Paused", annotation="promote:r2:again", oldCommand="promote:r2:again")
    assert order(once_more, "a", Command.PROMOTE) == {KEY: "promote:r2"}


@pytest.mark.parametrize("phase", ["Checking", "Shifting", "Paused"])
def test_promote_names_the_revision(phase: str) -> None:
    assert order(rolling(phase), "a", Command.PROMOTE) == {KEY: "promote:r2"}


@pytest.mark.parametrize(
    ("phase", "why"),
    [
        (None, "no rollout under way"),
        ("Aborted", "aborted already; correct the spec, or kubectl rag rollout undo demo a"),
        ("Updating", "pod by pod"),
        ("Waiting", "does not serve yet"),
        ("Starting", "does not serve yet"),
        ("Switched", "promoted already"),
        ("Promoting", "promoted already"),
    ],
)
def test_promote_is_refused_where_there_is_nothing_to_promote(phase: str | None, why: str) -> None:
    with pytest.raises(Failure, match=why):
        order(rolling(phase), "a", Command.PROMOTE)


def test_between_two_steps_of_a_canary_it_serves() -> None:
    assert order(rolling("Starting", step=1), "a", Command.PROMOTE) == {KEY: "promote:r2"}


@pytest.mark.parametrize("phase", ["Waiting", "Updating", "Starting", "Shifting", "Switched", "Promoting"])
def test_abort_holds_until_the_end(phase: str) -> None:
    assert order(rolling(phase), "a", Command.ABORT) == {KEY: "abort:r2"}


@pytest.mark.parametrize(("phase", "why"), [(None, "nothing to abort"), ("Aborted", "aborted already")])
def test_abort_is_refused_where_there_is_nothing_to_abort(phase: str | None, why: str) -> None:
    with pytest.raises(Failure, match=why):
        order(rolling(phase), "a", Command.ABORT)


def test_a_command_counts_for_its_revision_alone() -> None:
    assert asked_for(rolling("Paused", annotation="promote:r2"), "a") is Command.PROMOTE
    assert asked_for(rolling("Paused", annotation="promote:r1"), "a") is None
    assert asked_for(rolling(None, annotation="promote:r2"), "a") is None
    assert asked_for(rolling("Promoting", annotation="promote:r2"), "a") is None
    assert any("promote was asked for" in line for line in lines(rolling("Paused", annotation="promote:r2")))
