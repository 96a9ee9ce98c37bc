"""What the real API server and the operator make of good and bad objects, and that they agree."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ragops.api.base import PATTERN_MEANINGS, Model, nested_model
from ragops.api.rag import RAGDeployment
from ragops.api.rules import Rule
from ragops.api.validation import InvalidRAG, Reason, parse, problems

from .cases import ROOT, Case, Object, cases
from .server import Refused, Server

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))

MINIMAL: Object = {
    "apiVersion": "ragops.dev/v1alpha1",
    "kind": "RAGDeployment",
    "metadata": {"name": "minimal"},
    "spec": {"services": [{"name": "api", "type": "OrchestrationAPI"}]},
}


def test_invalid_is_refused(server: Server, invalid: Case) -> None:
    """By the API server or, once stored, by the operator; and the message helps."""
    if invalid.wanted["refusedBy"] == "operator":
        stored = server.create(invalid.raw)
        message = "\n".join(str(problem) for problem in problems(parse(stored)))
    else:
        message = str(_refusal(server, invalid))
    missing = [part for part in invalid.wanted["message"] if part not in message]
    assert not missing, f"{missing} not in: {message}"


def test_offline_verdict_is_the_servers(server: Server, invalid: Case) -> None:
    """`ragops plan -f` refuses what the API server refuses, and says what its rules say."""
    causes = [] if invalid.wanted["refusedBy"] == "operator" else _refusal(server, invalid).causes
    try:
        rag = parse(_named(invalid.raw, server.namespace))
    except InvalidRAG as error:
        # What cannot be read is told in other words, but for the meanings of patterns.
        said = [meaning for meaning in PATTERN_MEANINGS.values() if meaning in str(error)]
        faults = error.problems
    else:
        faults = tuple(problem for problem in problems(rag) if problem.reason is Reason.INVALID)
        # A key twice in a list is told by the API server in its own words.
        said = [fault.message for fault in faults if "is listed 2 times" not in fault.message]
    match invalid.wanted["refusedBy"]:
        case "change":
            assert faults == (), "only the change is wrong, not the object"
        case "server":
            assert faults
            assert [words for words in said if not any(words in cause for cause in causes)] == []


def test_valid_is_accepted_and_filled_in(server: Server, valid: Case) -> None:
    """The API server fills in what the models fill in, and the operator has nothing to say."""
    stored = server.create(valid.raw) if valid.stored is None else server.change(valid.stored, valid.raw)
    for path, expected in valid.wanted["expect"].items():
        assert _field(stored, path) == expected, path
    assert _same(stored["spec"], parse(_named(valid.raw, server.namespace)).to_wire()["spec"])
    assert problems(parse(stored)) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_example_is_accepted(server: Server, path: Path) -> None:
    """What the reader is told to apply can be applied, with nothing misspelt."""
    for raw in yaml.safe_load_all(path.read_text()):
        assert problems(parse(server.create(raw))) == []


def test_every_rule_has_a_case_that_breaks_it(server: Server) -> None:
    """A rule without a case could be wrong without a test that fails."""
    told = "\n".join(
        str(_refusal(server, case))
        for case in cases("invalid.yaml")
        if case.wanted["refusedBy"] != "operator"
    )
    assert [rule for rule in _rules() if _words(rule) not in told] == []


def test_unknown_field_is_refused_by_name(server: Server) -> None:
    """Strict field validation, which kubectl asks for by default, names a misspelt field."""
    raw = {**MINIMAL, "spec": {"services": [{"name": "api", "type": "OrchestrationAPI", "replica": 2}]}}
    with pytest.raises(Refused, match=r'unknown field "spec\.services\[0\]\.replica"'):
        server.create(raw)
    with pytest.raises(
        InvalidRAG, match=re.escape("services[api].replica: is not a known field; did you mean")
    ):
        parse(_named(raw, server.namespace))


def test_status_is_not_taken_from_a_create(server: Server) -> None:
    """Status belongs to its subresource, so nobody else can speak for the operator."""
    assert "status" not in server.create({**MINIMAL, "status": {"summary": {"services": "6/6"}}})


def _refusal(server: Server, case: Case) -> Refused:
    with pytest.raises(Refused) as refused:
        server.create(case.raw) if case.stored is None else server.change(case.stored, case.raw)
    return refused.value


def _named(raw: Object, namespace: str) -> Object:
    return {**raw, "metadata": {**raw["metadata"], "namespace": namespace}}


def _rules(model: type[Model] = RAGDeployment) -> Iterator[Rule]:
    yield from model.cel
    for field in model.model_fields.values():
        if inner := nested_model(field.annotation):
            yield from _rules(inner)


def _words(rule: Rule) -> str:
    """What only this rule says: its message, or the longest text of the one that names the culprit."""
    return max(re.findall("'([^']*)'", rule.explain), key=len) if rule.explain else rule.message


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
