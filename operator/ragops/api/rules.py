"""Rules across fields, written once in CEL: the API server evaluates them, and so does `problems` offline.

A rule stands beside the fields it speaks of, in `cel` of their model. It keeps to the part of CEL that both
evaluators know: the standard macros and operators, and the functions listed in api/evaluation.py. Macros with
two variables, optional syntax (`?.`) and cel.bind are not in it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Fault(StrEnum):
    """The kinds of faults that the API server knows. (It tells FieldValueDuplicate without the message.)"""

    INVALID = "FieldValueInvalid"
    FORBIDDEN = "FieldValueForbidden"
    REQUIRED = "FieldValueRequired"


@dataclass(frozen=True)
class Rule:
    """What must hold for an object of the model, which CEL calls `self`.

    A rule that names `oldSelf` compares with the stored object; it has no meaning offline.
    """

    cel: str
    """True for a good object."""
    message: str
    """Fault and mend, as the end of a sentence that begins with the field."""
    at: str = ""
    """The field that the fault is told at: its path on the wire, below the model."""
    fault: Fault = Fault.INVALID
    explain: str | None = None
    """CEL for a message that names the culprit, evaluated where the rule fails. The whole text is put
    together inside of `map`: of a text that has left a macro the API server knows no bound, so that adding to
    it would cost too much."""

    @property
    def transition(self) -> bool:
        """Whether the rule compares with the stored object."""
        return "oldSelf" in self.cel

    def to_schema(self) -> dict[str, str]:
        """The entry of x-kubernetes-validations."""
        schema = {"rule": self.cel, "message": self.message, "reason": self.fault.value}
        if self.explain:
            schema["messageExpression"] = self.explain
        if self.at:
            schema["fieldPath"] = f".{self.at}"
        return schema


def compare(left: str, operator: str, right: str) -> str:
    """CEL that compares two quantities, each given as CEL for an int-or-string. What is no quantity passes:
    the pattern of its field has refused it with a better message."""
    guard = f"{_is_quantity(left)} && {_is_quantity(right)}"
    return f"({guard} ? {_amount(left)} {operator} {_amount(right)} : true)"


def at_least(name: str, minimum: float) -> str:
    """CEL for a field that is absent or a quantity of at least the minimum, in cores or bytes."""
    value = f"self.{name}"
    return f"!has({value}) || !{_is_quantity(value)} || {_amount(value)} >= {float(minimum)}"


def _is_quantity(value: str) -> str:
    return f"(type({value}) == int || isQuantity({value}))"


def _amount(value: str) -> str:
    # Not quantity(string(...)): the API server counts the text of a number as endless, and so as too costly.
    return f"(type({value}) == int ? double({value}) : quantity({value}).asApproximateFloat())"


@dataclass(frozen=True)
class ListMap:
    """Metadata of a list's annotation: no two items have the same key, and server-side apply merges by it."""

    key: str
    """The field of the items, on the wire."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            **handler(schema),
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": [self.key],
        }


def list_key(field: FieldInfo) -> str | None:
    """The field that tells the items of this list apart; None for other lists and fields."""
    return next((mark.key for mark in field.metadata if isinstance(mark, ListMap)), None)


@dataclass(frozen=True)
class IntOrString:
    """Metadata of a text's annotation that YAML may also write as a whole number."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        text: dict[str, Any] = handler(schema)
        del text["type"]
        return {**text, "x-kubernetes-int-or-string": True}
