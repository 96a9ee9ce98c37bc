"""What keeps a RAGDeployment from being applied.

Each rule exists once. What CEL can say stands beside the fields in the models: the API server checks it
before it stores the object, and `problems` evaluates the same text, so that `ragops plan -f` needs no cluster
and an object stored under an older CRD is not applied by mistake. Here is the rest: cycles, which CEL cannot
follow, and what this version does not implement, which a later one accepts without a change of the CRD.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from ragops.api.base import Model, ServiceType
from ragops.api.blocks import EmbeddingsSpec
from ragops.api.defaults import resolve
from ragops.api.evaluation import violations
from ragops.api.parsing import parse
from ragops.api.problems import InvalidRAG, Problem, Reason, Reserved
from ragops.api.rag import RAGDeployment
from ragops.api.rules import list_key

__all__ = ["InvalidRAG", "Problem", "Reason", "parse", "problems"]

BUNDLED_MODEL: Final = EmbeddingsSpec().model
"""The embedding model inside the default image of type Embeddings."""


def problems(rag: RAGDeployment) -> list[Problem]:
    """Everything that keeps this object from being applied; empty if nothing does."""
    return [*violations(rag), *_reserved(rag.spec, "spec"), *_foreign_models(rag), *_cycles(rag)]


def _reserved(model: Model, path: str) -> Iterator[Problem]:
    """Fields and values that are marked Reserved in the models, at any depth."""
    for name, field in type(model).model_fields.items():
        value, here = getattr(model, name), f"{path}.{field.alias}"
        marks = [mark for mark in field.metadata if isinstance(mark, Reserved)]
        refusal = next((mark for mark in marks if mark.refuses(value)), None)
        if refusal is not None:
            fault = f"{json.dumps(value)} is" if refusal.values else "is"
            message = f"{fault} not implemented in this version; {refusal.mend}"
            yield Problem(here, message, Reason.NOT_IMPLEMENTED)
        elif isinstance(value, Model):
            yield from _reserved(value, here)
        elif isinstance(value, list):
            unique = list_key(field)
            for index, item in enumerate(value):
                yield from _reserved(item, f"{here}[{getattr(item, unique) if unique else index}]")


def _foreign_models(rag: RAGDeployment) -> Iterator[Problem]:
    """The bundled image would start, and never find the weights."""
    for service in rag.spec.services:
        model = (service.embeddings or EmbeddingsSpec()).model
        if service.type is ServiceType.EMBEDDINGS and service.image is None and model != BUNDLED_MODEL:
            yield Problem(
                f"spec.services[{service.name}].embeddings.model",
                f"{model} is not in the image of this version; use {BUNDLED_MODEL}, or set image to one that "
                f"serves {model}",
                Reason.NOT_IMPLEMENTED,
            )


def _cycles(rag: RAGDeployment) -> Iterator[Problem]:
    """Each cycle once, at its first service in the order of the spec. An optional dependency closes a cycle
    too: it delays no start, but health goes along it. A service that needs itself breaks a rule already."""
    needs = {
        service.name: [needed.name for needed in service.depends_on or [] if needed.name != service.name]
        for service in resolve(rag).spec.services
    }
    reported: set[str] = set()
    for name in needs:
        cycle = _cycle_through(name, needs) if name not in reported else None
        if cycle is None:
            continue
        reported.update(cycle)
        yield Problem(
            f"spec.services[{name}].dependsOn",
            f"is part of the cycle {' -> '.join(cycle)}; remove one of these dependencies (a service without "
            "dependsOn has the dependencies of its type)",
        )


def _cycle_through(start: str, needs: Mapping[str, list[str]]) -> list[str] | None:
    """The shortest way from a service back to itself, both ends included."""
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:
        for target in needs.get(way[-1], []):
            if target == start:
                return [*way, start]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return None
