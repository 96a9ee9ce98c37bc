"""What the real API server and the operator make of good and bad objects, and that they agree."""

import re
from typing import Any

import pytest

from ragops.api.base import PATTERN_MEANINGS, Model
from ragops.api.rag import RAGDeployment
from ragops.api.validation import InvalidRAG, Problem, parse, problems


def test_invalid_is_refused(server: Any, invalid: Any) -> None:
    """By the API server or, once stored, by the operator; and the message helps."""
    if invalid.wanted["refusedBy"] == "operator":
        stored = server.create(invalid.raw)
        message = "\n".join(str(problem) for problem in problems(parse(stored)))
    else:
        message = _refusal(server, invalid)
    missing = [part for part in invalid.wanted["message"] if part not in message]
    assert not missing, f"{missing} not in: {message}"


def test_offline_verdict_is_the_servers(server: Any, invalid: Any) -> None:
    """`ragops plan -f` refuses what the API server refuses, in the same words where a rule says them."""
    offline = "\n".join(str(problem) for problem in _offline(invalid.raw, server.namespace))
    if invalid.wanted["refusedBy"] == "change":
        assert not offline, "only the change is wrong, not the object"
        return
    assert offline
    if invalid.wanted["refusedBy"] == "server":
        online = _refusal(server, invalid)
        assert [text for text in _messages() if text in online] == [
            text for text in _messages() if text in offline
        ]


def test_valid_is_accepted_and_filled_in(server: Any, valid: Any) -> None:
    """The API server fills in what the models fill in, and the operator has nothing to say."""
    create = server.create if valid.stored is None else lambda raw: server.change(valid.stored, raw)
    stored = create(valid.raw)
    for path, expected in valid.wanted["expect"].items():
        assert _field(stored, path) == expected, path
    assert _same(stored["spec"], parse(_named(valid.raw, server.namespace)).to_wire()["spec"])
    assert problems(parse(stored)) == []


def test_unknown_field_is_refused_by_name(server: Any) -> None:
    """Strict field validation, which kubectl asks for by default, names a misspelt field."""
    raw = {
        "apiVersion": "ragops.dev/v1alpha1",
        "kind": "RAGDeployment",
        "metadata": {"name": "misspelt"},
        "spec": {"services": [{"name": "api", "type": "OrchestrationAPI", "replica": 2}]},
    }
    with pytest.raises(Exception, match=r'unknown field "spec\.services\[0\]\.replica"'):
        server.create(raw)
    assert [str(problem) for problem in _offline(raw, server.namespace)] == [
        "spec.services[api].replica: is not a known field; did you mean replicas?"
    ]


def test_status_is_no_part_of_a_create(server: Any) -> None:
    """Status belongs to its subresource: the operator's words cannot be put into an object's mouth."""
    raw = {
        "apiVersion": "ragops.dev/v1alpha1",
        "kind": "RAGDeployment",
        "metadata": {"name": "with-status"},
        "spec": {"services": [{"name": "api", "type": "OrchestrationAPI"}]},
        "status": {"summary": {"services": "6/6"}},
    }
    assert "status" not in server.create(raw)


def _refusal(server: Any, case: Any) -> str:
    with pytest.raises(Exception, match=".") as refused:
        server.create(case.raw) if case.stored is None else server.change(case.stored, case.raw)
    assert type(refused.value).__name__ == "Refused"
    return str(refused.value)


def _offline(raw: dict[str, Any], namespace: str) -> list[Problem]:
    try:
        return problems(parse(_named(raw, namespace)))
    except InvalidRAG as error:
        return list(error.problems)


def _named(raw: dict[str, Any], namespace: str) -> dict[str, Any]:
    return {**raw, "metadata": {**raw["metadata"], "namespace": namespace}}


def _messages(model: type[Model] = RAGDeployment) -> set[str]: ...


def _field(item: Any, path: str) -> Any:
    """The value at a path like spec.services[api].env; None where there is nothing."""
    for name, key in re.findall(r"([^.\[\]]+)|\[([^\]]+)\]", path):
        if key:
            item = next((one for one in item if key in (one.get("name"), one.get("type"))), None)
        else:
            item = item.get(name)
        if item is None:
            return None
    return item


def _same(stored: Any, wire: Any) -> bool:
    """Equal, a quantity that was written as a number being equal to its text."""
    if isinstance(stored, dict):
        return stored.keys() == wire.keys() and all(_same(stored[key], wire[key]) for key in stored)
    if isinstance(stored, list):
        return len(stored) == len(wire) and all(map(_same, stored, wire))
    return stored == wire or str(stored) == wire
