"""The reference page of the API, docs/reference/api.md, from the generated schema."""

from collections.abc import Iterator
from typing import Any

from ragops.api.base import PATTERN_MEANINGS, Model, nested_model
from ragops.api.crd import open_api_schema
from ragops.api.defaults import DEFAULT_DEPENDENCIES, DEFAULT_RESOURCES
from ragops.api.names import API_VERSION, KIND
from ragops.api.rag import RAGDeployment

Schema = dict[str, Any]

_INTRODUCTION = f"""\
<!-- Generated from operator/ragops/api by `make generate`. Do not edit. -->
# {KIND} ({API_VERSION})

Every field of the custom resource. `kubectl explain rag.spec` shows the same on a cluster.

What is *reserved for a later version* is part of the API, but not of this version: an object that sets it is
stored, is not applied, and has the condition `Accepted=False` with the reason `NotImplemented`.
"""


def reference() -> str:
    """The page, as Markdown."""
    properties = open_api_schema()["properties"]
    return "\n".join(
        [
            _INTRODUCTION,
            "## Defaults by type\n",
            *_type_table(),
            "\n## Spec\n",
            *_field_table(properties["spec"], "spec"),
            "\n## Rules across fields\n",
            "The API server refuses an object that breaks one of these, at the field named here. "
            "`ragops plan -f` does so without a cluster, but for forbidden changes.\n",
            *_rule_list(RAGDeployment, ""),
            "\nTwo things the API server cannot check. They are told by the condition Accepted=False, and "
            "nothing is changed until they are mended: dependencies that form a cycle, and fields or values "
            "marked as not implemented above.\n",
            "\n## Status\n",
            *_field_table(properties["status"], "status"),
            "",
        ]
    )


def _type_table() -> Iterator[str]:
    yield "| Type | Depends on | CPU request | Memory request | Memory limit |"
    yield "|---|---|---|---|---|"
    for service_type, dependencies in DEFAULT_DEPENDENCIES.items():
        resources = DEFAULT_RESOURCES[service_type]
        assert resources.requests is not None
        assert resources.limits is not None
        names = ", ".join(sorted(dependencies)) or "nothing"
        yield (
            f"| {service_type} | {names} | {resources.requests.cpu} | {resources.requests.memory} "
            f"| {resources.limits.memory} |"
        )


def _field_table(schema: Schema, path: str) -> Iterator[str]:
    yield "| Field | Type | Default | Bounds | Description |"
    yield "|---|---|---|---|---|"
    for field, value, required in _fields(schema, path):
        default = "required" if required else _default(value)
        description = value.get("description", "").replace("<", "&lt;")
        yield f"| `{field}` | {_type(value)} | {default} | {_bounds(value)} | {description} |"


def _fields(schema: Schema, path: str) -> Iterator[tuple[str, Schema, bool]]:
    """All fields below, depth first: path, schema, whether required."""
    for name, value in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        yield here, value, name in schema.get("required", ())
        yield from _fields(value, here)
        yield from _fields(value.get("items", {}), f"{here}[]")


def _type(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    if schema.get("format") == "date-time":
        return "time"
    if schema["type"] == "array":
        keys = schema.get("x-kubernetes-list-map-keys")
        return f"list of {_type(schema['items'])}s" + (f" by {keys[0]}" if keys else "")
    return str(schema["type"])


def _default(schema: Schema) -> str:
    """Of an object nothing: its fields show theirs."""
    default = schema.get("default")
    return "" if default is None or isinstance(default, dict) else f"`{_literal(default)}`"


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bounds(schema: Schema) -> str:
    bounds = [f"`{value}`" for value in schema.get("enum", ())]
    if "minimum" in schema or "maximum" in schema:
        bounds.append(f"{schema.get('minimum', '')}..{schema.get('maximum', '')}")
    if "maxItems" in schema:
        bounds.append(f"{schema.get('minItems', 0)}..{schema['maxItems']} items")
    if "maxLength" in schema:
        bounds.append(f"at most {schema['maxLength']} characters")
    if "pattern" in schema:
        bounds.append(PATTERN_MEANINGS[schema["pattern"]])
    return ", ".join(bounds)


def _rule_list(model: type[Model], path: str) -> Iterator[str]:
    """The rules of a model and of the models in its fields."""
    for rule in model.cel:
        place = ".".join(part for part in (path, rule.at) if part)
        yield f"- {f'`{place}` ' if place else ''}{rule.message}."
    for field in model.model_fields.values():
        inner = nested_model(field.annotation)
        if inner is not None:
            items = "[]" if "list[" in str(field.annotation) else ""
            yield from _rule_list(inner, f"{path}.{field.alias}{items}".lstrip("."))
