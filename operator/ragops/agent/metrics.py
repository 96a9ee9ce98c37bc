"""The figures of a gateway for Prometheus. Histograms are of variants: those of pods would be many."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ragops.gateway.figures import BUCKETS, Counters, VariantFigures

_VARIANT = ("service", "variant")
_POD = (*_VARIANT, "pod")


@dataclass(frozen=True)
class Board:
    """What is shown."""

    variants: Iterable[tuple[str, VariantFigures]] = ()
    """With the name of the service."""
    arrivals: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    retries_allowed: dict[str, bool] = field(default_factory=dict)
    log_lines_lost: int = 0
    reloads: int = 0
    refused: bool = False
    reachable: bool = True


class GatewayCollector(Collector):
    """Reads the board at each scrape."""

    def __init__(self, board: Callable[[], Board]) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """The families of one scrape."""
        board = self._board()
        variants = list(board.variants)
        yield from _variants(variants)
        yield from _pods(variants)
        yield from _services(board)
        lost = CounterMetricFamily(
            "ragops_gateway_log_lines_lost", "Requests that are missing in the figures."
        )
        lost.add_metric((), board.log_lines_lost)
        reloads = CounterMetricFamily("ragops_gateway_reloads", "Configurations that HAProxy has loaded.")
        reloads.add_metric((), board.reloads)
        yield from (lost, reloads)
        yield GaugeMetricFamily(
            "ragops_gateway_config_refused",
            "1 while HAProxy keeps an older configuration.",
            int(board.refused),
        )
        yield GaugeMetricFamily("ragops_gateway_haproxy_up", "1 while HAProxy answers.", int(board.reachable))


def _variants(variants: list[tuple[str, VariantFigures]]) -> Iterator[Metric]:
    seconds = HistogramMetricFamily(
        "ragops_gateway_response_seconds", "Seconds to the first byte of an answer.", labels=_VARIANT
    )
    queue = GaugeMetricFamily(
        "ragops_gateway_queue_length", "Requests that wait for any pod.", labels=_VARIANT
    )
    panic = GaugeMetricFamily(
        "ragops_gateway_panic", "1 while no pod is good and all are used.", labels=_VARIANT
    )
    for service, figures in variants:
        labels = (service, figures.variant.value)
        seconds.add_metric(labels, _cumulative(figures.counters), figures.counters.seconds)
        queue.add_metric(labels, figures.queue)
        panic.add_metric(labels, int(figures.panic))
    yield from (seconds, queue, panic)


def _pods(variants: list[tuple[str, VariantFigures]]) -> Iterator[Metric]:
    requests = CounterMetricFamily("ragops_gateway_requests", "Requests that have ended.", labels=_POD)
    errors = CounterMetricFamily("ragops_gateway_errors", "Requests that failed.", labels=_POD)
    active = GaugeMetricFamily("ragops_gateway_active_requests", "Requests under way.", labels=_POD)
    weight = GaugeMetricFamily("ragops_gateway_weight", "Weight; 0: ejected.", labels=_POD)
    for service, figures in variants:
        for server in figures.servers:
            assert server.address is not None
            labels, counters = (service, figures.variant.value, server.address), figures.pods[server.address]
            requests.add_metric(labels, counters.requests)
            errors.add_metric(labels, counters.errors)
            active.add_metric(labels, server.under_way)
            weight.add_metric(labels, server.weight)
    yield from (requests, errors, active, weight)


def _services(board: Board) -> Iterator[Metric]:
    arrivals = CounterMetricFamily("ragops_gateway_arrivals", "Requests that have come.", labels=("service",))
    rejected = CounterMetricFamily(
        "ragops_gateway_rejected", "Requests refused before they had a backend.", labels=("service",)
    )
    retries = GaugeMetricFamily(
        "ragops_gateway_retries_allowed", "1 while the retry budget lasts.", labels=("service",)
    )
    for family, values in ((arrivals, board.arrivals), (rejected, board.rejected)):
        for service, value in values.items():
            family.add_metric((service,), value)
    for service, allowed in board.retries_allowed.items():
        retries.add_metric((service,), int(allowed))
    yield from (arrivals, rejected, retries)


def _cumulative(counters: Counters) -> list[tuple[str, float]]:
    bounds = (*(str(bound) for bound in BUCKETS), "+Inf")
    total, found = 0.0, []
    for bound, count in zip(bounds, counters.buckets, strict=True):
        total += count
        found.append((bound, total))
    return found
