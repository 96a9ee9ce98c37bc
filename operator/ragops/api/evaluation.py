"""The models' CEL rules without an API server: the same text, so that no rule is written twice."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Final

import cel

from ragops.api.base import Model, nested_model, quantity_value
from ragops.api.problems import Problem
from ragops.api.rag import RAGDeployment
from ragops.api.rules import Rule, list_key


def violations(rag: RAGDeployment) -> Iterator[Problem]:
    """The rules that do not hold, each at its field, in the order of the fields. Rules about changes are left
    out: they need the stored object."""
    wire = {key: value for key, value in rag.to_wire().items() if key != "status"}
    return _walk(RAGDeployment, wire, "")


def _walk(model: type[Model], node: Mapping[str, Any], path: str) -> Iterator[Problem]:
    context = cel.Context({"self": node}, _FUNCTIONS)
    for rule in model.cel:
        if not rule.transition and not _program(rule.cel).execute(context):
            yield Problem(_join(path, rule.at), _message(rule, context))
    for name, field in model.model_fields.items():
        key = field.alias or name
        here, value, inner = _join(path, key), node.get(key), nested_model(field.annotation)
        if inner is None or value is None:
            continue
        if isinstance(value, Mapping):
            yield from _walk(inner, value, here)
            continue
        unique = list_key(field)
        if unique is not None:
            yield from _duplicates(value, unique, here)
        for index, item in enumerate(value):
            yield from _walk(inner, item, f"{here}[{item[unique] if unique else index}]")


def _duplicates(items: Sequence[Mapping[str, Any]], key: str, path: str) -> Iterator[Problem]:
    """The API server does this by itself for a map-list."""
    for value, count in Counter(item[key] for item in items).items():
        if count > 1:
            yield Problem(f"{path}[{value}]", f"is listed {count} times; give each its own {key}")


def _message(rule: Rule, context: cel.Context) -> str:
    return str(_program(rule.explain).execute(context)) if rule.explain else rule.message


def _join(path: str, field: str) -> str:
    return f"{path}.{field}" if path and field else path or field


@cache
def _program(expression: str) -> cel.Program:
    return cel.compile(expression)


def _is_sorted(items: list[Any]) -> bool:
    return all(one <= other for one, other in pairwise(items))


# What Kubernetes adds to CEL, as far as the rules use it. A quantity stays the text that it is; the models
# have refused what is none.
_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "quantity": str,
    "isQuantity": lambda _: True,
    "asApproximateFloat": lambda quantity: float(quantity_value(quantity)),
    "isSorted": _is_sorted,
}
