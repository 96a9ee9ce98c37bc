"""The HTTP endpoint of the operator."""

from aiohttp.test_utils import TestClient, TestServer

from ragops.controller.server import application


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
    for name in ("ragops_leader", "ragops_queue_length", "ragops_pass_seconds", "ragops_writes_total"):
        assert f"# HELP {name} " in text
