"""Reading a RAGDeployment from its JSON form, with faults told to people."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ragops.api.base import PATTERN_MEANINGS, Model, nested_model
from ragops.api.problems import InvalidRAG, Problem
from ragops.api.rag import RAGDeployment
from ragops.api.rules import list_key


def parse(raw: Mapping[str, Any]) -> RAGDeployment:
    """The object as a model. It must name its namespace.

    Types are strict as the API server has them: "3" is not a number, and field names are camelCase.
    Raises InvalidRAG with one problem for each field that cannot be read.
    """
    # Strict mode takes enums and times from text only when reading JSON.
    text = json.dumps(raw, default=str)
    try:
        return RAGDeployment.model_validate_json(text, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidRAG(_problem(raw, details) for details in error.errors(include_url=False)) from None


def _problem(raw: Mapping[str, Any], details: ErrorDetails) -> Problem:
    return Problem(field_path(raw, details["loc"]), _message(details))


def field_path(raw: object, location: Sequence[int | str]) -> str:
    """The path of a field, list items by their key where they have one: spec.services[api].env[A]."""
    path, unique = "", None
    model: type[Model] | None = RAGDeployment
    for step in location:
        if isinstance(step, int):
            raw = raw[step] if isinstance(raw, Sequence) else None
            key = raw.get(unique) if isinstance(raw, Mapping) else None
            path += f"[{key if isinstance(key, str) else step}]"
        else:
            raw = raw.get(step) if isinstance(raw, Mapping) else None
            path += f".{step}" if path else step
            field = _field(model, step)
            unique, model = (list_key(field), nested_model(field.annotation)) if field else (None, None)
    return path


def _message(details: ErrorDetails) -> str:
    """The fault and the mend. Kinds of errors that the models cannot raise fall back to pydantic's words."""
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            return "is missing; add it"
        case "extra_forbidden":
            return "is not a known field" + _did_you_mean(details)
        case "enum" | "literal_error":
            return f"{_shown(details['input'])} is not allowed; use {context['expected']}"
        case "string_pattern_mismatch":
            return f"must be {PATTERN_MEANINGS[context['pattern']]}; {_shown(details['input'])} is not"
        case "greater_than_equal":
            return f"{_shown(details['input'])} is too small; use {context['ge']} or more"
        case "less_than_equal":
            return f"{_shown(details['input'])} is too large; use {context['le']} or less"
        case "string_too_long":
            return f"is too long; use {context['max_length']} characters or fewer"
        case "string_too_short":
            return "is empty; give it a value or remove it"
        case "too_long":
            return f"has {context['actual_length']} items; use {context['max_length']} or fewer"
        case "too_short":
            return f"has {context['actual_length']} items; use {context['min_length']} or more"
        case "string_type":
            return f"{_shown(details['input'])} is not text; put it in quotes"
        case "int_type":
            return f"{_shown(details['input'])} is not a whole number; write it as digits without quotes"
        case "bool_type":
            return f"{_shown(details['input'])} is not true or false; write it without quotes"
        case _:
            return details["msg"]


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _did_you_mean(details: ErrorDetails) -> str:
    """The field that may have been meant. An unknown field is in an object, so its model is known."""
    model: type[Model] | None = RAGDeployment
    *parents, unknown = details["loc"]
    for step in parents:
        field = _field(model, step) if isinstance(step, str) else None
        model = nested_model(field.annotation) if field else model
    known = [field.alias or "" for field in model.model_fields.values()] if model else []
    close = difflib.get_close_matches(str(unknown), known, n=1)
    return f"; did you mean {close[0]}?" if close else "; remove it, or correct its spelling or indentation"


def _field(model: type[Model] | None, name: str) -> FieldInfo | None:
    """The field of this name on the wire."""
    fields = model.model_fields.values() if model else ()
    return next((field for field in fields if field.alias == name), None)
