"""Whose an object is."""

from typing import Any

import pytest

from ragops.resources.child import is_owned_by, was_made_for

OURS: list[dict[str, Any]] = [{"manager": "ragops", "operation": "Apply"}]
REFERENCE = {"kind": "RAGDeployment", "name": "demo", "uid": "uid-1", "controller": True}


def child(managers: list[dict[str, Any]] = OURS, rag: str = "demo", **metadata: Any) -> dict[str, Any]:
    """An object as the API server stores it."""
    return {"metadata": {"labels": {"ragops.dev/rag": rag}, "managedFields": managers, **metadata}}


def test_the_controller_owns_it() -> None:
    assert is_owned_by(child(ownerReferences=[REFERENCE]), "uid-1")
    assert not is_owned_by(child(ownerReferences=[REFERENCE]), "uid-2")
    assert not is_owned_by(child(ownerReferences=[{**REFERENCE, "controller": False}]), "uid-1")


def test_what_ragops_made_and_nobody_controls_is_taken_back() -> None:
    assert was_made_for(child(), "demo")
    assert was_made_for(child(ownerReferences=[{"uid": "other", "controller": False}]), "demo")


@pytest.mark.parametrize(
    "other",
    [
        child(ownerReferences=[REFERENCE]),
        child(rag="another"),
        child(managers=[{"manager": "kubectl", "operation": "Apply"}]),
        child(managers=[{"manager": "ragops", "operation": "Update"}]),
        child(managers=[{"manager": "ragops", "operation": "Apply", "subresource": "status"}]),
    ],
    ids=["controlled", "of another system", "of somebody else", "not applied", "status alone"],
)
def test_all_else_is_not(other: dict[str, Any]) -> None:
    assert not was_made_for(other, "demo")
