"""Events for `kubectl describe`: one for each transition, none while nothing changes."""

import pytest

from .eventually import eventually
from .space import Object, Space, services

pytestmark = pytest.mark.usefixtures("operator")


def test_transitions_are_told_once_each(space: Space) -> None:
    held: Object = {"image": "test/held:1", "startup": {"timeoutSeconds": 5}}
    space.apply_rag(services("embeddings", "generation", generation=held))
    space.await_state("generation", "Failed")
    space.set_ready("generation")
    space.await_ready()
    space.set_ready("embeddings", ready=False)
    space.await_state("embeddings", "Unavailable")
    space.set_ready("embeddings")
    space.await_ready()
    cached: Object = {"embeddings": {"cache": {}}}
    space.apply_rag(services("embeddings", "generation", generation=held, embeddings=cached))
    eventually(lambda: space.condition("Accepted").get("status") == "False", "the change is rejected")

    expected = [
        ("Normal", "ServiceReady", "embeddings is ready"),
        ("Normal", "ServiceReady", "embeddings is ready"),
        ("Normal", "ServiceReady", "generation is ready"),
        ("Normal", "ServiceStarting", "embeddings is starting"),
        ("Normal", "ServiceStarting", "generation is starting"),
        ("Warning", "Rejected", "spec.services[embeddings].embeddings.cache"),
        ("Warning", "ServiceFailed", "generation is Failed: StartupTimeout"),
        ("Warning", "ServiceUnavailable", "embeddings is Unavailable"),
        ("Warning", "ServiceUnhealthy", "embeddings: none of 1 pods is ready"),
    ]
    others = ("Ready", "NotReady")

    def told() -> list[tuple[str, str, str]]:
        found = [e for e in space.all_of("Event") if e["regarding"]["kind"] == "RAGDeployment"]
        return sorted((e["type"], e["reason"], e["note"]) for e in found if e["reason"] not in others)

    eventually(lambda: len(told()) >= len(expected), "all Events are there")
    for event, (kind, reason, note) in zip(told(), expected, strict=True):
        assert event[:2] == (kind, reason)
        assert note in event[2]
    ready = [e["reason"] for e in space.all_of("Event") if e["reason"] in others]
    assert sorted(ready) == ["NotReady", "Ready", "Ready"]


def test_events_name_their_object(space: Space) -> None:
    """They carry what `kubectl describe` looks for: the object by kind, name, namespace and uid."""
    space.apply_rag(services("generation"))
    space.await_ready()
    uid = space.get("RAGDeployment", "demo")["metadata"]["uid"]
    event = eventually(
        lambda: next((e for e in space.all_of("Event") if e["reason"] == "Ready"), None), "an Event is there"
    )
    assert event is not None
    assert event["regarding"] == {
        "apiVersion": "ragops.dev/v1alpha1",
        "kind": "RAGDeployment",
        "name": "demo",
        "namespace": space.namespace,
        "uid": uid,
    }
    assert event["reportingController"] == "ragops.dev/operator"
    assert event["reportingInstance"] == "ragops-0"
