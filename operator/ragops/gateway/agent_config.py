"""What the agent must know, read from agent.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ragops.api.traffic import LoadBalancingStrategy
from ragops.gateway.files import Usage


class AgentConfigError(Exception):
    """agent.json is not what the operator writes."""


@dataclass(frozen=True)
class ServiceConfig:
    """How one service is balanced."""

    name: str
    strategy: LoadBalancingStrategy
    port: int
    """Of the gateway, where the service is reached."""
    retry_budget_percent: int
    usage: Mapping[str, Usage] | None
    """By the pods' addresses; None: the operator has no recent sample."""


@dataclass(frozen=True)
class AgentConfig:
    """All services, by name."""

    services: Mapping[str, ServiceConfig]
    revision: str


def parse_agent_config(text: str) -> AgentConfig:
    """The content of agent.json. Raises AgentConfigError."""
    try:
        content = json.loads(text)
        services = [_service(one) for one in content["services"]]
        return AgentConfig({service.name: service for service in services}, str(content["revision"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgentConfigError(f"agent.json cannot be read: {type(error).__name__}: {error}") from error


def _service(content: Mapping[str, Any]) -> ServiceConfig:
    usage = content["usage"]
    return ServiceConfig(
        name=str(content["name"]),
        strategy=LoadBalancingStrategy(content["strategy"]),
        port=int(content["port"]),
        retry_budget_percent=int(content["retryBudgetPercent"]),
        usage=None if usage is None else {pod: _usage(shares) for pod, shares in usage.items()},
    )


def _usage(shares: Mapping[str, Any]) -> Usage:
    cpu, memory = shares["cpu"], shares["memory"]
    return Usage(None if cpu is None else float(cpu), None if memory is None else float(memory))
