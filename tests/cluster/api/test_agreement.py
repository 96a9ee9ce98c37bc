"""The rules mean the same to the API server and offline, for objects that nobody thought of."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragops.api.evaluation import violations
from ragops.api.validation import InvalidRAG, parse

from .server import Refused, Server

NAMES = st.sampled_from(["a", "b", "c", "a-headless", "d" * 40])
TYPES = st.sampled_from(
    ["VectorStore", "Embeddings", "DocumentProcessor", "Retrieval", "Generation", "OrchestrationAPI"]
)
QUANTITIES = st.sampled_from([0, 1, 2**28, "1m", ".5", "999m", "1Gi", "1.5Gi", "1024Mi", "1G"])
SMALL = st.integers(1, 50)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


AMOUNTS = some(cpu=QUANTITIES, memory=QUANTITIES, gpu=st.integers(0, 2))
METRIC = st.fixed_dictionaries(
    {"type": st.sampled_from(["CPU", "Memory", "ErrorRate"])}, optional={"upAbove": SMALL, "downBelow": SMALL}
)
STEPS = st.lists(st.fixed_dictionaries({"weightPercent": SMALL}), min_size=1, max_size=3)
SERVICE = st.fixed_dictionaries(
    {"name": NAMES, "type": TYPES},
    optional={
        "replicas": SMALL,
        "resources": some(requests=AMOUNTS, limits=AMOUNTS),
        "env": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["A", "B", "RAGOPS_X", "PGDATA"])}, optional={"value": st.just("x")}
            ),
            max_size=2,
        ),
        "dependsOn": st.lists(st.fixed_dictionaries({"name": NAMES}), max_size=3),
        "health": some(path=st.sampled_from(["/ok", "bad"])),
        "autoscaling": some(
            mode=st.sampled_from(["Step", "Proportional", "Predictive", "External"]),
            minReplicas=SMALL,
            maxReplicas=SMALL,
            sampleSeconds=SMALL,
            stabilitySeconds=SMALL,
            metrics=st.lists(METRIC, min_size=1, max_size=2),
        ),
        "rollout": some(
            strategy=st.sampled_from(["RollingUpdate", "BlueGreen", "Canary"]),
            blueGreen=st.just({}),
            canary=st.fixed_dictionaries({"steps": STEPS}),
        ),
        "storage": some(size=QUANTITIES),
        "documents": some(chunkTokens=st.integers(31, 50), chunkOverlapTokens=SMALL),
        "retrieval": st.just({}),
    },
)
# Names of their own for most lists: two of the same name end most objects before a rule is reached.
SERVICES = st.one_of(
    st.lists(SERVICE, min_size=1, max_size=4, unique_by=lambda service: service["name"]),
    st.lists(SERVICE, min_size=1, max_size=2),
)


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(services=SERVICES, name=st.sampled_from(["rag", "r" * 30, "1rag"]))
def test_same_verdict(server: Server, services: list[dict[str, Any]], name: str) -> None:
    """Stored by the API server, if and only if it can be read and breaks no rule offline."""
    raw = {
        "apiVersion": "ragops.dev/v1alpha1",
        "kind": "RAGDeployment",
        "metadata": {"name": name, "namespace": server.namespace},
        "spec": {"services": services},
    }
    try:
        online = str(server.create(raw)["kind"])
    except Refused as error:
        online = str(error)
    try:
        offline = [str(problem) for problem in violations(parse(raw))]
    except InvalidRAG as error:
        offline = [str(error)]
    assert (online == "RAGDeployment") == (offline == []), f"API server: {online}; offline: {offline}"
