"""agent.json, as the operator writes it and as it must not be."""

import json

import pytest
from tests.gateway.gateway import make_rag

from ragops.api.traffic import LoadBalancingStrategy
from ragops.gateway.agent_config import AgentConfigError, parse_agent_config
from ragops.gateway.files import Usage, build_agent_config


def test_what_the_operator_writes_is_read() -> None:
    rag = make_rag({"api": {"loadBalancing": {"strategy": "ResourceUsage"}}, "docs": {}})
    usage = {"api": {"10.0.0.1": Usage(0.5, None)}}
    config = parse_agent_config(build_agent_config(rag, {"api": 1000, "docs": 1001}, usage, "7"))
    assert config.revision == "7"
    assert set(config.services) == {"api", "docs"}
    api = config.services["api"]
    assert api.strategy is LoadBalancingStrategy.RESOURCE_USAGE
    assert api.usage == {"10.0.0.1": Usage(0.5, None)}
    assert api.retry_budget_percent == 20
    assert config.services["docs"].usage is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"services": [{}], "revision": "1"}',
        '{"services": [1], "revision": "1"}',
        json.dumps(
            {
                "revision": "1",
                "services": [
                    {"name": "a", "strategy": "X", "port": 20000, "retryBudgetPercent": 1, "usage": None}
                ],
            }
        ),
    ],
)
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(AgentConfigError, match=r"agent\.json"):
        parse_agent_config(text)
