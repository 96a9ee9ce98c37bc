"""The gateways' figures: one request to each pod of a gateway gives the traffic of all services behind it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from ragops.cluster.cache import Key
from ragops.gateway.layout import Layout
from ragops.metrics.pod import Pod
from ragops.metrics.scrape import JSON_TYPES, Scraper
from ragops.metrics.source import MissingReason, SourceError
from ragops.metrics.tasks import tell_failure
from ragops.orchestration.observation import GatewayReport

EVERY_SECONDS: Final = 5.0
"""Between two looks that nobody has asked for: they tell which configuration is in force."""
FRESH_SECONDS: Final = 1.0
"""A look that is younger serves whoever asks: the services of a RAGDeployment are sampled together."""
ANSWER_SECONDS: Final = 3.0
PATH: Final = "/v1/figures"


class _Figures(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")


class Times(_Figures):
    """A histogram of the times to the first byte."""

    sum: float
    count: int
    buckets: tuple[int, ...]


class PodFigures(_Figures):
    """What one gateway has sent to one pod, since the gateway's agent began."""

    address: str
    up: bool
    requests: int
    errors: int
    response_seconds: Times


class VariantFigures(_Figures):
    """One variant of a service."""

    name: str
    queue: int
    requests: int
    """All that were for this variant: also those that no pod got."""
    errors: int
    panic: bool
    """No pod is good: all get requests all the same."""
    fallback_reason: str | None = None
    """Why another strategy than the one asked for is in force."""
    pods: tuple[PodFigures, ...]


class ServiceFigures(_Figures):
    """One service."""

    name: str
    arrivals: int
    variants: tuple[VariantFigures, ...]

    @property
    def queue(self) -> int:
        """Requests that wait for a pod."""
        return sum(variant.queue for variant in self.variants)


class GatewayFigures(_Figures):
    """All that one gateway pod tells."""

    started_at: float
    revision: str | None
    split: str | None = None
    bucket_bounds: tuple[float, ...]
    services: tuple[ServiceFigures, ...]

    def service(self, name: str) -> ServiceFigures | None:
        """One service; None where the gateway does not know it yet."""
        return next((service for service in self.services if service.name == name), None)

    @property
    def report(self) -> GatewayReport:
        """For the decision whether services go through it."""
        reached = (s.name for s in self.services if any(pod.up for v in s.variants for pod in v.pods))
        fallen = (s.name for s in self.services if any(v.fallback_reason for v in s.variants if v.pods))
        panic = (s.name for s in self.services if any(v.panic for v in s.variants if v.pods))
        return GatewayReport(
            self.revision, self.split, frozenset(reached), frozenset(fallen), frozenset(panic)
        )


@dataclass(frozen=True)
class Look:
    """What the pods of one gateway have told."""

    at: float
    """By the monotonic clock."""
    wall: float
    """By the clock that the agents' starts are told in: seconds since 1970."""
    told: Mapping[str, GatewayFigures]
    """By uid."""
    silent: Mapping[str, SourceError]
    """Pods that told nothing, by name."""


@dataclass
class _Gateway:
    pods: Sequence[Pod] = ()
    look: Look | None = None
    task: asyncio.Task[Look] | None = None


class Gateways:
    """The last look at each gateway. Not thread-safe: for one event loop."""

    def __init__(
        self, way: Scraper, clock: Callable[[], float] = time.monotonic, port: int = Layout().agent_port
    ) -> None:
        self._way = way
        self._clock = clock
        self._port = port
        self._known: dict[Key, _Gateway] = {}

    def reports(self, key: Key) -> dict[str, GatewayReport]:
        """What each pod says of itself, by uid, of those that do."""
        known = self._known.get(key)
        told = known.look.told if known and known.look else {}
        return {uid: figures.report for uid, figures in told.items()}

    async def look(self, key: Key) -> Look | None:
        """A fresh look; None where there is no gateway."""
        known = self._known.get(key)
        if known is None or not known.pods:
            return None
        if known.look is None or self._clock() - known.look.at > FRESH_SECONDS:
            # All who ask meanwhile get the same answer, and none of them ends it for the others.
            return await asyncio.shield(self._start(known))
        return known.look

    def start_due(self, gateways: Iterable[tuple[Key, Sequence[Pod]]], wake: Callable[[Key], None]) -> None:
        """Looks at gateways that nobody has asked for of late, and forgets those that are gone. `wake` is
        called where one of them reports something else than before."""
        wanted = dict(gateways)
        for gone in self._known.keys() - wanted.keys():
            self._drop(gone)
        for key, pods in wanted.items():
            known = self._known.setdefault(key, _Gateway())
            known.pods = pods
            new = {pod.uid for pod in pods} - (known.look.told.keys() if known.look else set())
            age = self._clock() - known.look.at if known.look else EVERY_SECONDS
            if pods and known.task is None and (age >= EVERY_SECONDS or (new and age > FRESH_SECONDS)):
                self._start(known).add_done_callback(partial(self._tell, key, self.reports(key), wake))

    def reset(self) -> None:
        """Forgets everything: another replica has led, or will."""
        for key in list(self._known):
            self._drop(key)

    async def close(self) -> None:
        """Ends the looks under way."""
        tasks = [known.task for known in self._known.values() if known.task]
        self.reset()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, known: _Gateway) -> asyncio.Task[Look]:
        if known.task is None:
            known.task = asyncio.create_task(self._ask(known))
            known.task.add_done_callback(partial(_ended, known))
        return known.task

    async def _ask(self, known: _Gateway) -> Look:
        pods = list(known.pods)
        answers = await asyncio.gather(*(self._figures(pod) for pod in pods))
        found = list(zip(pods, answers, strict=True))
        known.look = Look(
            self._clock(),
            time.time(),
            {pod.uid: answer for pod, answer in found if isinstance(answer, GatewayFigures)},
            {pod.name: answer for pod, answer in found if isinstance(answer, SourceError)},
        )
        return known.look

    async def _figures(self, pod: Pod) -> GatewayFigures | SourceError:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                body = await self._way.get(pod, self._port, PATH, JSON_TYPES)
            return GatewayFigures.model_validate_json(body)
        except TimeoutError:
            return SourceError(MissingReason.TIMEOUT, "no answer in time")
        except ValidationError:
            return SourceError(MissingReason.MALFORMED, "an answer that is none of the gateway's")
        except SourceError as error:
            return error

    def _tell(
        self,
        key: Key,
        before: Mapping[str, GatewayReport],
        wake: Callable[[Key], None],
        _: asyncio.Task[Look],
    ) -> None:
        if self.reports(key) != before:
            wake(key)

    def _drop(self, key: Key) -> None:
        if task := self._known.pop(key).task:
            task.cancel()


def _ended(known: _Gateway, task: asyncio.Task[Any]) -> None:
    known.task = None
    tell_failure(task, "look at a gateway", "gateway")
