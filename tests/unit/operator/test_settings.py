"""Settings of the operator process."""

import pytest

from ragops.cluster.lease import Lease
from ragops.controller.settings import Settings, SettingsError, from_environment

MINIMAL = {
    "RAGOPS_IMAGE_SERVICES": "services:1",
    "RAGOPS_IMAGE_POSTGRES": "postgres:1",
    "RAGOPS_IMAGE_HAPROXY": "haproxy:1",
    "RAGOPS_IMAGE_OPERATOR": "operator:1",
}


def settings(**variables: str) -> Settings:
    return from_environment({**MINIMAL, **variables})


def test_defaults() -> None:
    found = settings()
    assert (found.images.services, found.images.postgres) == ("services:1", "postgres:1")
    assert found.namespaces == ()
    assert found.leader_election
    assert found.port == 8080
    assert (found.log_level, found.log_json) == ("INFO", False)
    assert (found.scrape, found.prometheus_url) == ("auto", None)
    assert (found.decision_log, found.decision_log_max_bytes) == (None, 64 * 2**20)
    assert found.identity
    assert found.lease == Lease("ragops-system", "ragops-leader")


def test_all_given() -> None:
    found = settings(
        RAGOPS_WATCH_NAMESPACES="a, b,,",
        RAGOPS_LEADER_ELECT="False",
        RAGOPS_PORT="0",
        RAGOPS_LOG_LEVEL="Debug",
        RAGOPS_LOG_FORMAT="json",
        RAGOPS_SCRAPE="proxy",
        RAGOPS_PROMETHEUS_URL="http://prometheus.monitoring:9090",
        POD_NAME="ragops-1",
        POD_NAMESPACE="here",
        RAGOPS_LEASE_NAME="team-leader",
        RAGOPS_DECISION_LOG="-",
        RAGOPS_DECISION_LOG_MAX_BYTES="5000000",
    )
    assert found.namespaces == ("a", "b")
    assert not found.leader_election
    assert found.port == 0
    assert (found.log_level, found.log_json) == ("DEBUG", True)
    assert (found.scrape, found.prometheus_url) == ("proxy", "http://prometheus.monitoring:9090")
    assert (found.decision_log, found.decision_log_max_bytes) == ("-", 5_000_000)
    assert (found.identity, found.lease) == ("ragops-1", ("here", "team-leader"))


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"RAGOPS_IMAGE_SERVICES": ""}, "RAGOPS_IMAGE_SERVICES is not set"),
        ({"RAGOPS_IMAGE_POSTGRES": ""}, "RAGOPS_IMAGE_POSTGRES is not set"),
        ({"RAGOPS_IMAGE_HAPROXY": ""}, "RAGOPS_IMAGE_HAPROXY is not set"),
        ({"RAGOPS_CLUSTER_DOMAIN": "a b"}, "RAGOPS_CLUSTER_DOMAIN is 'a b'"),
        ({"RAGOPS_LEADER_ELECT": "yes"}, "RAGOPS_LEADER_ELECT is 'yes': use true or false"),
        ({"RAGOPS_PORT": "http"}, "RAGOPS_PORT is 'http'"),
        ({"RAGOPS_PORT": "70000"}, "RAGOPS_PORT is '70000'"),
        ({"RAGOPS_LOG_LEVEL": "loud"}, "RAGOPS_LOG_LEVEL is 'loud': use debug, info, warning or error"),
        ({"RAGOPS_DECISION_LOG_MAX_BYTES": "64k"}, "RAGOPS_DECISION_LOG_MAX_BYTES is '64k': use a number of"),
        ({"RAGOPS_DECISION_LOG_MAX_BYTES": "9"}, "RAGOPS_DECISION_LOG_MAX_BYTES is '9'"),
        ({"RAGOPS_LOG_FORMAT": "xml"}, "RAGOPS_LOG_FORMAT is 'xml': use text or json"),
        ({"RAGOPS_SCRAPE": "push"}, "RAGOPS_SCRAPE is 'push': use auto, direct or proxy"),
        ({"RAGOPS_PROMETHEUS_URL": "prometheus:9090"}, "RAGOPS_PROMETHEUS_URL is not a URL"),
    ],
)
def test_errors_name_the_variable_and_the_mend(variables: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=r"RAGOPS_\w+ is ") as caught:
        settings(**variables)
    assert told in str(caught.value)
