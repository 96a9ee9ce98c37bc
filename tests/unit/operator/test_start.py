"""The ordered, health-gated start, as a pure function of what is seen."""

from datetime import timedelta

import pytest
from tests.unit.operator.world import IMAGES, START, World, rag_of, six

from ragops.api.problems import Problem, Reason
from ragops.api.status import HealthState, RAGStatus, ServiceState
from ragops.orchestration.observation import ApplyFailure, Observation, PodView
from ragops.orchestration.plan import plan, reject
from ragops.resources.child import ref_of


def test_services_start_when_their_dependencies_are_ready() -> None:
    world = World(rag_of(six()))
    world.step()
    assert world.started() == {"vector-store", "generation"}
    assert world.service("embeddings").state is ServiceState.WAITING
    assert world.service("embeddings").startup.waiting_for == ["vector-store"]
    assert world.service("api").startup.waiting_for == [
        "vector-store",
        "embeddings",
        "documents",
        "retrieval",
        "generation",
    ]

    world.make_ready("vector-store")
    world.step()
    assert world.started() == {"vector-store", "generation", "embeddings"}

    world.make_ready("embeddings")
    world.step()
    assert world.started() == {"vector-store", "generation", "embeddings", "documents", "retrieval"}

    world.make_ready("documents", "retrieval", "generation")
    world.step()
    world.make_ready("api")
    world.step()
    assert world.condition("Ready") == ("True", "AllServicesReady")
    assert world.rag.status.summary.services == "6/6"
    assert world.rag.status.summary.health is HealthState.HEALTHY


def ready_world(**spec: object) -> World:
    """All six services are ready and recorded so."""
    world = World(rag_of(six(), **spec))
    for _ in range(4):
        world.step()
        world.make_ready(*world.started())
    world.step()
    assert world.condition("Ready")[0] == "True"
    return world


def test_a_converged_system_plans_nothing() -> None:
    world = ready_world()
    for _ in range(3):
        assert world.step(seconds=3600).quiet


def test_a_failing_upstream_degrades_but_never_stops_a_running_service() -> None:
    world = ready_world()
    before = world.started()
    world.make_ready("vector-store", ready=0)
    world.step()
    assert world.started() == before
    assert world.service("vector-store").state is ServiceState.UNAVAILABLE
    assert world.service("vector-store").health.state is HealthState.UNHEALTHY
    for dependent in ("embeddings", "documents", "retrieval", "api"):
        assert world.service(dependent).state is ServiceState.READY
        assert world.service(dependent).health.state is HealthState.DEGRADED
        assert world.service(dependent).health.caused_by == "vector-store"
    assert world.service("generation").health.state is HealthState.HEALTHY
    assert world.condition("Degraded")[0] == "True"

    world.make_ready("vector-store")
    world.step()
    assert world.rag.status.summary.health is HealthState.HEALTHY
    assert world.condition("Degraded")[0] == "False"


def test_the_cause_is_the_root_of_a_chain() -> None:
    world = ready_world()
    world.make_ready("vector-store", "embeddings", ready=0)
    world.step()
    assert world.service("retrieval").health.caused_by == "vector-store"
    # Unhealthy by its own pods: the upstream does not hide that.
    assert world.service("embeddings").health.state is HealthState.UNHEALTHY


def test_a_timeout_is_recorded_with_the_reason_and_others_go_on() -> None:
    broken = {"image": "nowhere/missing:1", "startup": {"timeoutSeconds": 30}}
    world = World(rag_of(six(generation=broken)))
    world.step()
    world.pods = [pod("generation", waiting_reason="ImagePullBackOff", image="nowhere/missing:1")]
    world.make_ready("vector-store")
    world.step(seconds=10)
    status = world.service("generation")
    assert status.state is ServiceState.STARTING
    assert status.startup.reason == "ImagePullFailed"
    assert "nowhere/missing:1" in (status.startup.message or "")

    for _ in range(3):
        world.make_ready(*(world.started() - {"generation"}))
        world.step(seconds=10)
    assert world.service("generation").state is ServiceState.FAILED
    assert world.service("retrieval").state is ServiceState.READY
    assert world.service("api").startup.waiting_for == ["generation"]
    assert world.condition("Degraded") == ("True", "StartFailed")


def test_mending_a_service_that_was_never_ready_begins_its_start_anew() -> None:
    world = World(rag_of(six(generation={"image": "broken:1", "startup": {"timeoutSeconds": 30}})))
    world.step(seconds=60)
    world.step()
    assert world.service("generation").state is ServiceState.FAILED
    mended = rag_of(six(generation={"image": "good:1", "startup": {"timeoutSeconds": 30}}))
    world.rag = mended.model_copy(update={"status": world.rag.status})
    now = world.now
    world.step()
    assert world.service("generation").state is ServiceState.STARTING
    assert world.service("generation").startup.started_at == now


def test_a_stuck_update_is_told_while_the_old_version_serves() -> None:
    world = ready_world()
    changed = rag_of(six(retrieval={"image": "nowhere/missing:2"}))
    world.rag = changed.model_copy(update={"status": world.rag.status})
    world.step()
    workload = world.workload("retrieval")
    workload["status"] |= {"observedGeneration": workload["metadata"]["generation"], "replicas": 2}
    world.pods = [pod("retrieval", waiting_reason="ErrImagePull", image="nowhere/missing:2")]
    world.step()
    assert world.service("retrieval").state is ServiceState.READY
    assert world.condition("Degraded") == ("True", "RolloutStuck")
    rollout = world.service("retrieval").rollout
    assert rollout is not None
    assert rollout.reason == "ImagePullFailed"
    assert "1 pods keep serving" in (rollout.message or "")


def test_a_rejected_spec_is_seen_in_ready() -> None:
    world = ready_world()
    problem = Problem("spec.gateway.enabled", "not implemented", Reason.NOT_IMPLEMENTED)
    rejected = reject(world.rag.status, 2, [problem], world.now).status
    assert rejected is not None
    conditions = {c.type: (c.status, c.reason, c.observed_generation) for c in rejected.conditions}
    assert conditions["Accepted"] == ("False", "NotImplemented", 2)
    assert conditions["Ready"] == ("Unknown", "NotAccepted", 2)
    assert rejected.services == world.rag.status.services
    assert reject(rejected, 2, [problem], world.now).status is None

    new = reject(RAGStatus(), 1, [problem], world.now).status
    assert new is not None
    assert next(c.status for c in new.conditions if c.type == "Ready") == "False"


def test_a_late_service_is_taken_in() -> None:
    world = World(rag_of(six(generation={"startup": {"timeoutSeconds": 10}})))
    world.step(seconds=11)
    world.step()
    assert world.service("generation").state is ServiceState.FAILED
    world.make_ready("generation")
    world.step()
    assert world.service("generation").state is ServiceState.READY
    assert world.service("generation").startup.reason is None


def test_halt_starts_nothing_further() -> None:
    world = World(
        rag_of(six(generation={"startup": {"timeoutSeconds": 10}}), startup={"failurePolicy": "Halt"})
    )
    world.step(seconds=11)
    world.make_ready("vector-store")
    world.step()
    world.step()
    assert world.started() == {"vector-store", "generation"}
    assert world.service("embeddings").state is ServiceState.HALTED

    world.make_ready("generation")
    world.step()
    world.step()
    assert "embeddings" in world.started()


def test_optional_dependencies_do_not_delay_the_start() -> None:
    optional = {"dependsOn": [{"name": "vector-store", "required": False}]}
    world = World(rag_of(six(embeddings=optional)))
    world.step()
    assert "embeddings" in world.started()


@pytest.mark.parametrize("written", [True, False], ids=["status written", "killed before status"])
def test_killed_between_apply_and_status_ends_in_the_same_place(written: bool) -> None:
    world = World(rag_of(six()))
    empty = world.rag.status
    world.step()
    if not written:
        world.rag = world.rag.model_copy(update={"status": empty})
    world.make_ready("vector-store")
    world.step()
    assert world.service("vector-store").startup.started_at is not None
    assert world.started() == {"vector-store", "generation", "embeddings"}


def test_paused_changes_nothing_but_status() -> None:
    world = World(rag_of(six(), paused=True))
    done = world.step()
    assert (done.applies, done.credentials, done.deletes, done.scales) == ((), (), (), ())
    assert world.condition("Progressing") == ("False", "Paused")


def test_a_removed_service_loses_its_children_and_nothing_else_is_touched() -> None:
    world = ready_world()
    smaller = rag_of([s for s in six() if s["name"] != "generation"])
    world.rag = smaller.model_copy(update={"status": world.rag.status})
    done = world.step()
    assert {str(delete.ref) for delete in done.deletes} == {
        "Service demo-generation",
        "Deployment demo-generation",
        "PodDisruptionBudget demo-generation",
    }
    # The API no longer gets the address of what is gone.
    assert [str(apply.ref) for apply in done.applies] == ["Deployment demo-api"]
    assert [service.name for service in world.rag.status.services] == [
        "vector-store",
        "embeddings",
        "documents",
        "retrieval",
        "api",
    ]


def test_the_credentials_come_first_and_again_only_when_pods_miss_them() -> None:
    world = World(rag_of(six()))
    assert [action.name for action in world.step().credentials] == ["demo-vector-store-credentials"]
    assert not world.step().credentials
    world.pods = [pod("vector-store", waiting_reason="CreateContainerConfigError")]
    assert [action.name for action in world.step().credentials] == ["demo-vector-store-credentials"]


def test_a_failed_write_is_told_in_status() -> None:
    world = World(rag_of(six()))
    world.step()
    world.failures = {"generation": ApplyFailure("NameTaken", "Service demo-generation exists")}
    world.step()
    assert world.service("generation").startup.reason == "NameTaken"


def test_the_next_wake_up_is_the_start_timeout() -> None:
    world = World(rag_of(six(generation={"startup": {"timeoutSeconds": 60}})))
    done = plan(world.rag, Observation(), IMAGES, world.now)
    assert done.wake_at is not None
    assert (done.wake_at - world.now).total_seconds() == 60


def pod(service: str, **fields: object) -> PodView:
    """A pod that is not ready."""
    return PodView(name=f"{service}-1", service=service, ready=False, terminating=False, **fields)  # type: ignore[arg-type]


def test_a_refused_change_of_a_service_that_runs_is_told() -> None:
    world = ready_world()
    world.failures = {"retrieval": ApplyFailure("NameTaken", "Service demo-retrieval exists")}
    world.step()
    assert world.service("retrieval").state is ServiceState.READY
    assert world.service("retrieval").startup.reason == "NameTaken"
    assert world.condition("Ready")[0] == "True"
    assert world.condition("Degraded") == ("True", "ChangesRefused")
    world.failures = {}
    world.step()
    assert world.service("retrieval").startup.reason is None
    assert world.condition("Degraded") == ("False", "NoTrouble")


def test_a_request_that_got_no_answer_is_not_told() -> None:
    world = ready_world()
    world.failures = {"retrieval": ApplyFailure("Unreachable", "TimeoutError")}
    assert world.step().status is None


def test_a_vector_store_without_a_pod_is_looked_at_again() -> None:
    """No event tells that a StatefulSet cannot make its pod."""
    world = World(rag_of(six()))
    world.step()
    world.step()
    assert world.last.wake_at is not None
    assert world.last.wake_at <= world.now + timedelta(seconds=10)
    world.step(seconds=10)
    world.step()
    assert world.service("vector-store").startup.reason == "PodsNotCreated"


def test_the_system_is_ready_without_a_service_that_is_only_optional() -> None:
    """Also without what that one alone requires."""
    services = [
        {"name": "generation", "type": "Generation", "dependsOn": []},
        {"name": "below", "type": "Embeddings", "dependsOn": []},
        {"name": "extra", "type": "Retrieval", "dependsOn": [{"name": "below"}]},
        {
            "name": "api",
            "type": "OrchestrationAPI",
            "dependsOn": [{"name": "generation"}, {"name": "extra", "required": False}],
        },
    ]
    world = World(rag_of(services))
    for _ in range(4):
        world.step()
        world.make_ready(*world.started())
    world.step()
    assert world.condition("Ready") == ("True", "AllServicesReady")
    for lost in ("extra", "below"):
        world.make_ready(lost, ready=0)
        for _ in range(3):
            world.step()
        assert world.condition("Ready") == ("True", "AllServicesReady")
        assert world.condition("Degraded") == ("True", "ServicesDegraded")
        assert lost in next(c.message for c in world.rag.status.conditions if c.type == "Ready")
    assert world.service("api").health.caused_by is not None
    world.make_ready("generation", ready=0)
    world.step()
    assert world.condition("Ready")[0] == "False"


@pytest.mark.parametrize("scaled", [True, False])
def test_a_workload_that_is_deleted_comes_back_with_the_replicas_that_it_had(scaled: bool) -> None:
    policy = {"autoscaling": {"minReplicas": 2, "maxReplicas": 10}} if scaled else {}
    world = World(rag_of([{"name": "generation", "type": "Generation", **policy}]))
    world.step()
    world.workload("generation")["spec"]["replicas"] = 8
    for _ in range(3):
        world.make_ready("generation")
        world.step()
    assert world.service("generation").ready_replicas == 8
    del world.children[ref_of(world.workload("generation"))]
    world.step()
    made = world.workload("generation")
    assert made["spec"]["replicas"] == 8
    fields = {"manager": "ragops", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    made["metadata"]["managedFields"] = [fields]
    handed_over = world.step().applies
    assert [apply.hand_over_replicas for apply in handed_over] == [8]
    assert "replicas" not in handed_over[0].manifest["spec"]


def test_a_pod_that_was_evicted_is_nobody() -> None:
    evicted = PodView(
        name="old",
        service="generation",
        ready=False,
        terminating=False,
        ended=True,
        prepared=False,
        scheduled_at=START,
    )
    world = World(rag_of([{"name": "generation", "type": "Generation"}]), pods=[evicted])
    world.step(seconds=100)
    world.make_ready("generation", ready=0)
    world.step()
    assert world.service("generation").startup.reason is None
