"""PromQL, asked of a small server that speaks Prometheus' HTTP API."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from ragops.api.autoscaling import MetricType
from ragops.metrics.pod import Pod
from ragops.metrics.prometheus import MAX_ANSWER_BYTES, PrometheusSource
from ragops.metrics.source import Measured, MissingReason

from .pods import metric, serving, target

READY = [Pod("a"), Pod("b")]
QUERY = 'sum(waiting{namespace="$namespace",rag="${rag}",service="$service",path=~".*$"})'


@dataclass
class Server:
    """What the server answers, and what it was asked."""

    body: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        """GET /api/v1/query."""
        self.asked.append(request.query["query"])
        return web.Response(
            text=self.body, status=self.status, content_type="application/json", headers=self.headers
        )


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """The server, with a path before its API as behind an ingress."""
    found = Server()
    app = web.Application()
    app.router.add_get("/prometheus/api/v1/query", found.answer)
    async with serving(app) as port:
        found.url = f"http://127.0.0.1:{port}/prometheus/"
        yield found


async def ask(url: str | None) -> Measured:
    source = PrometheusSource(url)
    try:
        queue = metric(MetricType.QUEUE_DEPTH, query=QUERY)
        return await source.measure(target(READY, queue, metric(MetricType.CPU)), READY)
    finally:
        await source.close()


def success(kind: str, result: Any) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


def vector(*values: str) -> str:
    return success("vector", [{"metric": {"i": str(i)}, "value": [1.5, v]} for i, v in enumerate(values)])


async def test_the_value_of_a_vector_with_the_names_filled_in(server: Server) -> None:
    server.body = vector("12.5")
    found = await ask(server.url)
    assert server.asked == ['sum(waiting{namespace="default",rag="demo",service="api",path=~".*$"})']
    assert found.readings.keys() == {MetricType.QUEUE_DEPTH}
    assert found.readings[MetricType.QUEUE_DEPTH].average == 12.5
    assert found.readings[MetricType.QUEUE_DEPTH].complete
    assert found.missing == {}


async def test_a_scalar(server: Server) -> None:
    server.body = success("scalar", [1.5, "7"])
    assert (await ask(server.url)).readings[MetricType.QUEUE_DEPTH].average == 7


@pytest.mark.parametrize(
    ("body", "reason", "told"),
    [
        (vector(), MissingReason.NOT_ONE_VALUE, "the query gives no series"),
        (vector("1", "2"), MissingReason.NOT_ONE_VALUE, "more than one series: aggregate them"),
        (vector("NaN"), MissingReason.NOT_ONE_VALUE, "a value that is no number, too large or below zero"),
        (vector("+Inf"), MissingReason.NOT_ONE_VALUE, "a value that is no number, too large or below zero"),
        (vector("1e300"), MissingReason.NOT_ONE_VALUE, "a value that is no number, too large or below zero"),
        (vector("-1"), MissingReason.NOT_ONE_VALUE, "a value that is no number, too large or below zero"),
        (vector(*["1"] * MAX_ANSWER_BYTES), MissingReason.NOT_ONE_VALUE, "more than one series"),
        (success("matrix", []), MissingReason.MALFORMED, "neither an instant vector nor a scalar"),
        (success("vector", [{"value": [1, "x"]}]), MissingReason.MALFORMED, "neither an instant vector"),
        ("<html>", MissingReason.MALFORMED, "neither an instant vector"),
    ],
)
async def test_what_is_not_one_value(server: Server, body: str, reason: MissingReason, told: str) -> None:
    server.body = body
    found = await ask(server.url)
    assert found.readings[MetricType.QUEUE_DEPTH].average is None
    why = found.missing[MetricType.QUEUE_DEPTH]
    assert why.reason is reason
    assert told in why.text


async def test_a_query_that_is_refused_is_told_in_the_servers_words(server: Server) -> None:
    server.status = 400
    server.body = json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error at char 5"})
    found = await ask(server.url)
    assert found.missing[MetricType.QUEUE_DEPTH] == (
        MissingReason.REFUSED,
        "the Prometheus server refuses the query: parse error at char 5",
    )


async def test_a_redirect_is_not_followed(server: Server) -> None:
    server.status, server.headers = 302, {"Location": "/prometheus/api/v1/query?query=up"}
    assert (await ask(server.url)).missing[MetricType.QUEUE_DEPTH].reason is MissingReason.MALFORMED
    assert len(server.asked) == 1


async def test_without_a_server_the_setting_is_named() -> None:
    why = (await ask(None)).missing[MetricType.QUEUE_DEPTH]
    assert why.reason is MissingReason.NOT_CONFIGURED
    assert "set RAGOPS_PROMETHEUS_URL (chart value metrics.prometheus.url)" in why.text


async def test_a_server_that_is_gone() -> None:
    found = await ask("http://127.0.0.1:1")
    assert found.missing[MetricType.QUEUE_DEPTH] == (
        MissingReason.UNREACHABLE,
        "the Prometheus server cannot be reached",
    )
