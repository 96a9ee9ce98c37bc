"""What a cluster that was started lacks, in words for people."""

from cluster import addons
from cluster.api import Api, condition
from cluster.state import Cluster, Place
from cluster.supervisor import Status


def broken(place: Place, api: Api) -> list[str]:
    """What must always work: the components' processes and the API server."""
    ended = [name for name, process in Status.load(place).processes.items() if not process.pid]
    stopped = [f"not running: {', '.join(ended)}"] if ended else []
    return stopped + ([] if api.ready() else ["the API server is not ready"])


def missing(place: Place, cluster: Cluster, api: Api) -> list[str]:
    """What a cluster of which nothing is broken() needs beyond that to be of use."""
    if problems := broken(place, api):
        return problems
    nodes = (api.get("/api/v1/nodes") or {}).get("items", [])
    not_ready = [item["metadata"]["name"] for item in nodes if not condition(item, "Ready")]
    problems = [f"node {name} is not ready" for name in not_ready] if nodes else ["there is no node"]
    return problems + (addons.missing(api) if cluster.has_metrics else [])
