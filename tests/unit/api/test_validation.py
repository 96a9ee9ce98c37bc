"""What is refused, offline: unreadable objects, broken rules, cycles, what is not implemented."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ragops.api.base import Model, nested_model
from ragops.api.problems import Reserved
from ragops.api.rag import RAGDeployment, RAGSpec
from ragops.api.validation import InvalidRAG, Problem, Reason, parse, problems

Make = Callable[..., RAGDeployment]
Raw = dict[str, Any]


def refusals(raw: Raw) -> dict[str, str]:
    """What parse says, by path."""
    with pytest.raises(InvalidRAG) as refused:
        parse(raw)
    return {problem.path: problem.message for problem in refused.value.problems}


def test_quickstart_has_no_problems(rag: Make) -> None:
    """The minimal object is good."""
    assert problems(rag()) == []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("replicas", "3", '"3" is not a whole number; write it as digits without quotes'),
        ("replicas", -1, "-1 is too small; use 0 or more"),
        ("replicas", 1001, "1001 is too large; use 1000 or less"),
        ("type", "Search", "\"Search\" is not allowed; use 'VectorStore', 'Embeddings'"),
        (
            "image",
            "a b",
            'must be an image reference such as registry.example/team/image:tag, without spaces; "a b"',
        ),
        ("image", "a" * 513, "is too long; use 512 characters or fewer"),
        ("image", 7, "7 is not text; put it in quotes"),
        ("replica", 2, "is not a known field; did you mean replicas?"),
        ("load_balancing", {}, "is not a known field; did you mean loadBalancing?"),
        ("affinity", {}, "is not a known field; remove it, or correct its spelling or indentation"),
        ("dependsOn", [{"name": "api"}] * 32, "has 32 items; use 31 or fewer"),
    ],
)
def test_unreadable_field(raw: Raw, field: str, value: object, message: str) -> None:
    """Each message names the fault and the mend; the path goes by the service's name."""
    raw["spec"]["services"][3][field] = value
    ((path, told),) = refusals(raw).items()
    assert path == f"spec.services[retrieval].{field}"
    assert told.startswith(message)


def test_all_unreadable_fields_are_told_at_once(raw: Raw) -> None:
    """Nobody mends them one by one. Items without a name go by their place."""
    raw["spec"]["services"].append({"type": "Generation"})
    raw["spec"]["paused"] = "yes"
    raw["spec"]["services"][3]["autoscaling"] = {"metrics": [{"type": "CPU", "upAbove": 0}, {"type": "Disk"}]}
    del raw["metadata"]["namespace"]
    assert refusals(raw) == {
        "metadata.namespace": "is missing; add it",
        "spec.services[retrieval].autoscaling.metrics[CPU].upAbove": "0 is too small; use 1 or more",
        "spec.services[retrieval].autoscaling.metrics[Disk].type": (
            "\"Disk\" is not allowed; use 'CPU', 'Memory', 'ResponseTime', 'QueueDepth' or 'ErrorRate'"
        ),
        "spec.services[6].name": "is missing; add it",
        "spec.paused": '"yes" is not true or false; write it without quotes',
    }


def test_no_services(raw: Raw) -> None:
    """An empty list is told as such."""
    raw["spec"]["services"] = []
    assert refusals(raw) == {"spec.services": "has 0 items; use 1 or more"}


def test_another_kind_of_object(raw: Raw) -> None:
    """A file with something else in it."""
    raw |= {"kind": "Deployment", "apiVersion": "apps/v1"}
    assert set(refusals(raw)) == {"apiVersion", "kind"}


def test_whole_numbers_are_quantities(rag: Make) -> None:
    """YAML reads `cpu: 1` as a number."""
    resources = rag(api={"resources": {"requests": {"cpu": 1}}}).spec.services[-1].resources
    assert resources is not None
    assert resources.requests is not None
    assert resources.requests.cpu == "1"


@pytest.mark.parametrize(
    ("services", "path", "message"),
    [
        (
            {"retrieval": {"embeddings": {}}},
            "spec.services[retrieval].embeddings",
            "is only for type Embeddings; remove the block",
        ),
        (
            {"retrieval": {"dependsOn": [{"name": "nowhere"}]}},
            "spec.services",
            "must have nowhere, which dependsOn of retrieval names; correct the name or add the service",
        ),
        (
            {"second": {"type": "VectorStore"}},
            "spec.services",
            "must have at most one VectorStore, since all services share its database; remove second",
        ),
        (
            {"retrieval": {"autoscaling": {"metrics": [{"type": "CPU", "upAbove": 20}]}}},
            "spec.services[retrieval].autoscaling.metrics[CPU]",
            "must have downBelow less than upAbove; one left out has the default of its type, so set both",
        ),
        (
            {"api": {"env": [{"name": "A", "value": "x"}, {"name": "A", "value": "y"}]}},
            "spec.services[api].env[A]",
            "is listed 2 times; give each its own name",
        ),
        (
            {"api": {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1000Mi"}}}},
            "spec.services[api].resources.requests.memory",
            "must not be more than limits.memory; lower the request or raise the limit",
        ),
    ],
)
def test_rules_hold_without_a_cluster(rag: Make, services: Raw, path: str, message: str) -> None:
    """The CEL rules of the models, evaluated here. All of them: tests/cluster/api."""
    assert problems(rag(**services)) == [Problem(path, message)]


def test_fault_of_the_object_itself_has_no_path(raw: Raw) -> None:
    """And reads as a sentence all the same."""
    raw["metadata"]["name"] = "a" * 45
    (problem,) = problems(parse(raw))
    assert str(problem) == (
        "metadata.name and the service name vector-store must have 51 characters or fewer together; "
        "shorten one"
    )


def depending(rag: Make, **needs: str) -> RAGDeployment:
    """The quickstart with one explicit dependency for each of some services."""
    return rag(**{name: {"dependsOn": [{"name": needed}]} for name, needed in needs.items()})


@pytest.mark.parametrize(
    ("needs", "cycle"),
    [
        ({"embeddings": "retrieval", "retrieval": "embeddings"}, "embeddings -> retrieval -> embeddings"),
        ({"generation": "api"}, "generation -> api -> generation"),
        (
            {
                "embeddings": "documents",
                "documents": "retrieval",
                "retrieval": "generation",
                "generation": "embeddings",
            },
            "embeddings -> documents -> retrieval -> generation -> embeddings",
        ),
    ],
)
def test_cycle(rag: Make, needs: dict[str, str], cycle: str) -> None:
    """Told once, by its shortest way, also where default dependencies are part of it."""
    (problem,) = problems(depending(rag, **needs))
    assert problem.path == f"spec.services[{cycle.split()[0]}].dependsOn"
    assert problem.reason is Reason.INVALID
    assert problem.message.startswith(f"is part of the cycle {cycle}; remove one of these dependencies")


def test_two_cycles_are_told_both(rag: Make) -> None:
    """Mending the one leaves the other."""
    made = depending(
        rag,
        embeddings="vector-store",
        vector_store="embeddings",
        retrieval="generation",
        generation="retrieval",
    )
    assert [problem.path for problem in problems(made)] == [
        "spec.services[vector-store].dependsOn",
        "spec.services[retrieval].dependsOn",
    ]


def test_shared_dependency_is_no_cycle(rag: Make) -> None:
    """A diamond is what the default graph is made of."""
    assert problems(rag(generation={"dependsOn": [{"name": "retrieval"}, {"name": "embeddings"}]})) == []


def test_many_services_in_layers_are_checked_at_once(raw: Raw) -> None:
    """Every way through a dense graph would be more than there is time for."""
    raw["spec"]["services"] = [
        {"name": f"s{i}", "type": "OrchestrationAPI", "dependsOn": [{"name": f"s{j}"} for j in range(i)]}
        for i in range(32)
    ]
    assert problems(parse(raw)) == []


RESERVED: dict[str, tuple[Raw, Raw]] = {
    "spec.services.embeddings.cache": ({}, {"embeddings": {"embeddings": {"cache": {}}}}),
    "spec.services.documents.workers": ({}, {"documents": {"documents": {"workers": 1}}}),
    "spec.services.documents.queueSize": ({}, {"documents": {"documents": {"queueSize": 1}}}),
    "spec.services.retrieval.mode": ({}, {"retrieval": {"retrieval": {"mode": "Hybrid"}}}),
    "spec.services.vectorStore.engine": ({}, {"vector_store": {"vectorStore": {"engine": "Qdrant"}}}),
    "spec.services.vectorStore.external": (
        {},
        {"vector_store": {"vectorStore": {"external": {"host": "db", "credentialsSecret": "s"}}}},
    ),
    "spec.services.api.apiKeysSecret": ({}, {"api": {"api": {"apiKeysSecret": "keys"}}}),
}


@pytest.mark.parametrize("path", RESERVED)
def test_reserved_is_refused_by_name(raw: Raw, rag: Make, path: str) -> None:
    """Nothing that is not implemented is accepted in silence."""
    spec, services = RESERVED[path]
    raw["spec"] |= spec
    found = {_plain(problem.path): problem for problem in problems(rag(**services))}
    assert found[path].reason is Reason.NOT_IMPLEMENTED
    assert "not implemented in this version; " in found[path].message
    assert all(problem.reason is Reason.NOT_IMPLEMENTED for problem in found.values())


def test_every_reserved_field_is_tested() -> None:
    """A mark more is a case more."""
    assert set(_reserved(RAGSpec, "spec")) == set(RESERVED)


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"embeddings": {"model": "bge-m3"}}, True),
        ({"embeddings": {"model": "bge-m3"}, "image": "registry.example/bge"}, False),
        ({"embeddings": {"model": "all-MiniLM-L6-v2"}}, False),
    ],
)
def test_model_that_the_image_does_not_have(rag: Make, fields: Raw, refused: bool) -> None:
    """Told before a pod waits for weights that nobody will bring."""
    found = problems(rag(embeddings=fields))
    assert [problem.path for problem in found] == ["spec.services[embeddings].embeddings.model"] * refused


def _plain(path: str) -> str:
    return "".join(part.partition("]")[2] if "]" in part else part for part in path.split("["))


def _reserved(model: type[Model], path: str) -> Iterator[str]:
    for field in model.model_fields.values():
        here = f"{path}.{field.alias}"
        if any(isinstance(mark, Reserved) for mark in field.metadata):
            yield here
        if inner := nested_model(field.annotation):
            yield from _reserved(inner, here)
