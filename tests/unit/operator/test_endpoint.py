"""The HTTP endpoint of the operator."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from ragops.controller.server import application
from ragops.telemetry.metrics import LEADER, PASS_SECONDS, QUEUE_LENGTH, WRITES


async def test_trouble_is_told_with_503() -> None:
    trouble: dict[str, str | None] = {"alive": None, "ready": "the watch cache is not filled yet"}
    app = application(lambda: trouble["alive"], lambda: trouble["ready"])
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/livez")).status == 200
        answer = await client.get("/readyz")
        assert answer.status == 503
        assert await answer.text() == "the watch cache is not filled yet\n"

        trouble.update(alive="no progress of the passes for 130 s", ready=None)
        answer = await client.get("/livez")
        assert answer.status == 503
        assert await answer.text() == "no progress of the passes for 130 s\n"
        assert (await client.get("/readyz")).status == 200


async def test_metrics_are_in_the_format_of_prometheus() -> None:
    async with TestClient(TestServer(application(lambda: None, lambda: None))) as client:
        answer = await client.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        text = await answer.text()
    for metric in (LEADER, QUEUE_LENGTH, PASS_SECONDS, WRITES):
        assert all(f"# HELP {described.name}" in text for described in metric.describe())


async def test_the_current_health() -> None:
    readings: list[dict[str, str]] | None = [
        {"namespace": "team", "rag": "demo", "service": "api", "state": "Healthy"},
        {"namespace": "team", "rag": "other", "service": "api", "state": "Degraded"},
    ]
    app = application(lambda: None, lambda: None, lambda: readings)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/v1/health")
        assert (answer.status, await answer.json()) == (200, {"services": readings})
        answer = await client.get("/v1/health/team/other")
        assert (await answer.json())["services"] == readings[1:]
        answer = await client.get("/v1/health/team/unknown")
        assert answer.status == 404
        assert await answer.json() == {"error": "no RAGDeployment team/unknown is known"}
        readings = None
        answer = await client.get("/v1/health/team/demo")
        assert answer.status == 503
        assert "another replica leads" in (await answer.json())["error"]


@pytest.mark.parametrize(
    ("peer", "told"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.9", False), ("127.0.0.6", False), ("", False)],
)
async def test_the_health_of_all_tenants_is_told_through_a_forwarded_port_alone(
    peer: str, told: bool
) -> None:
    @web.middleware
    async def from_peer(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request.clone(remote=peer))

    app = application(lambda: None, lambda: None, lambda: [{"namespace": "team", "rag": "demo"}])
    app.middlewares.append(from_peer)
    async with TestClient(TestServer(app)) as client:
        for path in ("/v1/health", "/v1/health/team/demo", "/v1/health/team/unknown"):
            answer = await client.get(path)
            assert (answer.status != 403) == told
            assert told or "kubectl port-forward" in (await answer.json())["error"]
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await client.get(path)).status == 200
