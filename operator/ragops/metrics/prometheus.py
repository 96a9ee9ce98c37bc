"""PromQL as a source: one instant query for each metric that has one, to the server the administrator named.

Source: Prometheus documentation, HTTP API, Instant queries.
"""

import asyncio
from collections.abc import Sequence
from string import Template
from typing import Annotated, Final, Literal

import aiohttp
from pydantic import BaseModel, Field, RootModel, ValidationError

from ragops.api.autoscaling import MetricSpec
from ragops.metrics.pod import Pod
from ragops.metrics.scrape import read_at_most
from ragops.metrics.source import ANSWER_SECONDS, Measured, Missing, MissingReason, SourceError, Target
from ragops.scaling.sample import MAX_VALUE, reading

MAX_ANSWER_BYTES: Final = 1 << 16
URL_SETTING: Final = "RAGOPS_PROMETHEUS_URL"

_Value = tuple[float, float]
"""Time and value; Prometheus writes the value as text."""


class _Series(BaseModel):
    value: _Value


class _Vector(BaseModel):
    resultType: Literal["vector"]
    result: list[_Series]


class _Scalar(BaseModel):
    resultType: Literal["scalar"]
    result: _Value


class _Success(BaseModel):
    status: Literal["success"]
    data: Annotated[_Vector | _Scalar, Field(discriminator="resultType")]


class _Failure(BaseModel):
    status: Literal["error"]
    error: str


class _Answer(RootModel[Annotated[_Success | _Failure, Field(discriminator="status")]]):
    pass


class PrometheusSource:
    """Any metric that has a query."""

    name = "prometheus"

    def __init__(self, url: str | None) -> None:
        """`url` is that of the server, without /api/v1; None where there is none."""
        self._url = url.rstrip("/") if url else None
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "ragops"},
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()

    async def measure(self, target: Target, pods: Sequence[Pod]) -> Measured:
        """See Source. A value is the same for each ready pod: it speaks of the service."""
        queries = [metric for metric in target.metrics if metric.query is not None]
        found = await asyncio.gather(*(self._ask(target, metric) for metric in queries))
        answers = dict(zip((metric.type for metric in queries), found, strict=True))
        return Measured(
            {
                kind: reading([None if isinstance(answer, Missing) else answer] * len(pods))
                for kind, answer in answers.items()
            },
            missing={kind: answer for kind, answer in answers.items() if isinstance(answer, Missing)},
        )

    async def _ask(self, target: Target, metric: MetricSpec) -> float | Missing:
        try:
            return value_of(await self._answer(query_of(target, metric)))
        except SourceError as error:
            return error.missing

    async def _answer(self, query: str) -> bytes:
        if self._url is None:
            raise SourceError(
                MissingReason.NOT_CONFIGURED,
                f"the operator has no Prometheus server for the query: set {URL_SETTING} "
                "(chart value metrics.prometheus.url), or remove the query",
            )
        asked = {"query": query, "timeout": f"{ANSWER_SECONDS:.0f}s"}
        try:
            async with self._session.get(
                f"{self._url}/api/v1/query", params=asked, allow_redirects=False
            ) as response:
                return await read_at_most(response, MAX_ANSWER_BYTES)
        except TimeoutError as error:
            raise SourceError(MissingReason.TIMEOUT, "the Prometheus server does not answer") from error
        except (aiohttp.ClientError, OSError) as error:
            raise SourceError(MissingReason.UNREACHABLE, "the Prometheus server cannot be reached") from error


def query_of(target: Target, metric: MetricSpec) -> str:
    """The query with the object's names in it. They are DNS labels: nothing in them needs an escape."""
    (namespace, rag), service = target.service
    return Template(metric.query or "").safe_substitute(namespace=namespace, rag=rag, service=service)


def value_of(answer: bytes) -> float:
    """The one value in the server's answer, whatever its status. Raises SourceError."""
    if len(answer) > MAX_ANSWER_BYTES:
        raise _not_one_value("more than one series: aggregate them, such as by sum()")
    try:
        read = _Answer.model_validate_json(answer).root
    except ValidationError as error:
        raise SourceError(
            MissingReason.MALFORMED,
            "the Prometheus server's answer is neither an instant vector nor a scalar, nor an error",
        ) from error
    if isinstance(read, _Failure):
        # Printable: the text goes to status and to the log, where a line break would begin an entry.
        why = f"the Prometheus server refuses the query: {ascii(read.error[:200])[1:-1]}"
        raise SourceError(MissingReason.REFUSED, why)
    data = read.data
    values = [series.value[1] for series in data.result] if isinstance(data, _Vector) else [data.result[1]]
    if not values:
        raise _not_one_value("no series")
    if len(values) > 1:
        raise _not_one_value("more than one series: aggregate them, such as by sum()")
    if not 0 <= values[0] <= MAX_VALUE:
        raise _not_one_value("a value that is no number, too large or below zero")
    return values[0]


def _not_one_value(what: str) -> SourceError:
    return SourceError(MissingReason.NOT_ONE_VALUE, f"the query gives {what}")
