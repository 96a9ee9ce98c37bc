"""The CustomResourceDefinition, generated from the models.

pydantic's JSON schema becomes a structural schema of apiextensions/v1: references inlined, "or null" taken
out (absent and null are the same to the API server), keywords that it does not know removed.
"""

import json
from typing import Any, Final

from ragops.api.base import PATTERN_MEANINGS
from ragops.api.names import GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from ragops.api.rag import RAGDeployment

Schema = dict[str, Any]

_MAX_INT32: Final = 2**31 - 1
_UNKNOWN_KEYWORDS: Final = frozenset({"title", "additionalProperties", "const", "$ref", "anyOf"})
_TYPE_META: Final[Schema] = {
    "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}"},
    "kind": {"type": "string", "description": KIND},
    "metadata": {"type": "object"},
}


def crd() -> dict[str, Any]:
    """The CustomResourceDefinition of RAGDeployment, as an object ready to be written or applied."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": ["all", "ragops"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": open_api_schema()},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _printer_columns(),
                }
            ],
        },
    }


def open_api_schema() -> Schema:
    """The structural schema of one RAGDeployment."""
    raw = RAGDeployment.model_json_schema(by_alias=True, mode="validation")
    schema = _structural(raw, raw["$defs"])
    properties = schema["properties"]
    properties.update(_TYPE_META)
    # The operator alone writes status, and writes it whole: defaults would only invent readings.
    properties["status"] = _without_defaults(properties["status"])
    schema["required"] = ["metadata", "spec"]
    return schema


def _structural(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """The schema and everything below it in structural form."""
    schema = _flat(schema, definitions)
    result = {key: value for key, value in schema.items() if key not in _UNKNOWN_KEYWORDS | {"$defs"}}
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if "properties" in result:
        result["properties"] = {
            name: _structural(value, definitions) for name, value in schema["properties"].items()
        }
    if "items" in result:
        result["items"] = _structural(schema["items"], definitions)
        result.setdefault("x-kubernetes-list-type", "atomic")
    if schema.get("additionalProperties") is True:
        result["x-kubernetes-preserve-unknown-fields"] = True
    if result.get("type") == "integer":
        result["format"] = "int32" if result.get("maximum", _MAX_INT32 + 1) <= _MAX_INT32 else "int64"
    if isinstance(result.get("default"), dict):
        # In full: the API server checks a default against the rules before it fills the fields below it.
        result["default"] = _without_none(result["default"])
    if "pattern" in result:
        result["x-kubernetes-validations"] = [_pattern_rule(result)]
    return result


def _flat(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """References and "or null" replaced by what they stand for; what stands beside them wins."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return _flat(
            {**target, **{key: value for key, value in schema.items() if key != "$ref"}}, definitions
        )
    if "anyOf" in schema:
        (option,) = (option for option in schema["anyOf"] if option != {"type": "null"})
        beside = {key: value for key, value in schema.items() if key != "anyOf"}
        if beside.get("default", ...) is None:
            del beside["default"]
        return _flat({**option, **beside}, definitions)
    return schema


def _without_none(value: Schema) -> Schema:
    return {
        key: _without_none(part) if isinstance(part, dict) else part
        for key, part in value.items()
        if part is not None
    }


def _pattern_rule(schema: Schema) -> Schema:
    """A regular expression tells programs what is wrong; this tells people."""
    matches = f"self.matches({json.dumps(schema['pattern'])})"
    if schema.get("x-kubernetes-int-or-string"):
        matches = f"type(self) == string ? {matches} : self >= 0"
    return {
        "rule": matches,
        "message": f"must be {PATTERN_MEANINGS[schema['pattern']]}",
        "reason": "FieldValueInvalid",
    }


def _without_defaults(schema: Schema) -> Schema:
    result = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in result:
        result["properties"] = {
            name: _without_defaults(value) for name, value in result["properties"].items()
        }
    if "items" in result:
        result["items"] = _without_defaults(result["items"])
    return result


def _printer_columns() -> list[Schema]:
    ready = '.status.conditions[?(@.type=="Ready")]'
    return [
        _column("Ready", f"{ready}.status", "Whether the whole system answers."),
        _column("Services", ".status.summary.services", "Ready services of all."),
        _column("Health", ".status.summary.health", "The worst health of all services."),
        _column("Scaling", ".status.summary.scaling", "Replicas in autoscaled services."),
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        _column("Reason", f"{ready}.reason", "Why it is ready or not, in one word.", priority=1),
        _column("Message", f"{ready}.message", "Why it is ready or not.", priority=1),
    ]


def _column(name: str, path: str, description: str, priority: int = 0) -> Schema:
    column: Schema = {"name": name, "type": "string", "jsonPath": path, "description": description}
    # The API server leaves a priority of 0 out; written, it would look like a change for ever.
    return {**column, "priority": priority} if priority else column
