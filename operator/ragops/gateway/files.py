"""The other files of the gateway's ConfigMap: the share of each rollout's candidate, retries, the agent's."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ragops.api.rag import RAGDeployment
from ragops.gateway.pool import Pool, pools
from ragops.gateway.text import word


@dataclass(frozen=True)
class Usage:
    """What a pod uses, as a share of its requests: 1.0 is all of them. None: not known."""

    cpu: float | None
    memory: float | None


def build_split_map(rag: RAGDeployment, ports: Mapping[str, int], shares: Mapping[str, int]) -> str:
    """The text of split.map. `shares`: per cent of the requests that go to the candidate, by service; those
    not named have none."""
    return _map((pool.name, shares.get(pool.name, 0)) for pool in pools(rag, ports))


def read_split_map(text: str) -> dict[str, int]:
    """The shares in a split.map; lines that are none are left out."""
    parts = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in parts if len(pair) == 2 and pair[1].isdecimal()}


def told_usage(text: str) -> dict[str, dict[str, Usage]]:
    """The usage in an agent.json, by service and address; nothing where it cannot be read."""
    try:
        services = json.loads(text)["services"]
        return {
            one["name"]: {pod: Usage(used["cpu"], used["memory"]) for pod, used in one["usage"].items()}
            for one in services
            if one["usage"]
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def build_retry_map(rag: RAGDeployment, ports: Mapping[str, int]) -> str:
    """The text of retry.map: retries are off until the agent has seen that there is a budget for them."""
    return _map((pool.name, 0) for pool in pools(rag, ports))


def build_agent_config(
    rag: RAGDeployment,
    ports: Mapping[str, int],
    usage: Mapping[str, Mapping[str, Usage]],
    revision: str,
) -> str:
    """The text of agent.json. `usage`: of each service, by the pods' addresses; a service not named has none.
    `revision`: of the configuration, as the agent tells it back."""
    services = [_agent_service(pool, usage.get(pool.name)) for pool in pools(rag, ports)]
    return json.dumps({"services": services, "revision": revision}, indent=1, sort_keys=True)


def _agent_service(pool: Pool, usage: Mapping[str, Usage] | None) -> dict[str, object]:
    told = None
    if usage is not None:
        told = {pod: {"cpu": used.cpu, "memory": used.memory} for pod, used in usage.items()}
    return {
        "name": pool.name,
        "strategy": pool.balancing.strategy.value,
        "maxConcurrent": pool.max_concurrent,
        "port": pool.port,
        "retryBudgetPercent": pool.balancing.retries.budget_percent,
        "usage": told,
    }


def _map(entries: Iterable[tuple[str, int]]) -> str:
    return "".join(f"{word(name)} {value}\n" for name, value in entries)
