"""The chart refuses values it does not know, and names the field."""

import pytest
from cluster.errors import ClusterError

from .chart import render

MISTAKES = {
    "replicas=0": "'/replicas': minimum: got 0, want 1",
    "replicas=two": "'/replicas': got string, want integer",
    "replica=3": "additional properties 'replica' not allowed",
    "log.level=loud": "'/log/level': value must be one of 'debug', 'info', 'warning', 'error'",
    "decisionLog.enabled=true,decisionLog.path=log": "'/decisionLog/path': 'log' does not match",
    "watchNamespaces=team-a": "'/watchNamespaces': got string, want array",
    "watchNamespaces={Team_A}": "'/watchNamespaces/0': 'Team_A' does not match",
    "watchNamespaces={team-a,team-a}": "'/watchNamespaces': items at 0 and 1 are equal",
    "images.operator.digest=abc": "'/images/operator/digest': 'abc' does not match",
    "images.services.repository=ghcr.io/ragops/services:1.0": "'/images/services/repository': ",
    "images.postgres.pullPolicy=Always": "'/images/postgres': additional properties 'pullPolicy' not allowed",
    "resources.limits.cpu=lots": "'/resources/limits/cpu': 'lots' does not match",
    "tolerations[0].efect=NoSchedule": "'/tolerations/0': additional properties 'efect' not allowed",
    "metrics.scrape=push": "'/metrics/scrape': value must be one of 'direct', 'proxy'",
    "metrics.prometheus.url=prometheus:9090": "'/metrics/prometheus/url': 'prometheus:9090' does not match",
    "metrics.serviceMonitor.interval=soon": "'/metrics/serviceMonitor/interval': 'soon' does not match",
    "networkPolicy.egress=null": "'/networkPolicy': missing property 'egress'",
}


@pytest.mark.parametrize(("value", "message"), MISTAKES.items())
def test_a_mistake_is_refused_by_name(value: str, message: str) -> None:
    with pytest.raises(ClusterError) as refused:
        render("--set", value)
    assert message in str(refused.value)


def test_values_of_a_parent_chart_are_let_through() -> None:
    assert render("--set", "global.region=eu").names("Deployment") == {"ragops"}
