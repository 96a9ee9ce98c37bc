"""The counters of a gateway: each request once, never backwards, and only what exists."""

from dataclasses import replace

from tests.unit.gateway.pools import Watch, failures, stat

from ragops.gateway.figures import BUCKETS, Arrivals, Counters, Ledger, variant_json
from ragops.gateway.logline import Line, grouped
from ragops.resources.variant import Variant

STABLE = Variant.STABLE
OK = Line("api.stable", "pod1", 30, 40, 0, 200, "--", 0)
FAILED = Line("api.stable", "pod1", -1, 1, 0, 503, "SC", 2)
UNSERVED = Line("api.stable", None, -1, 1000, 1000, 503, "sQ", 0)
REFUSED = Line("api", None, -1, 0, 0, 429, "PR", 0)


def watched() -> Watch:
    watch = Watch(count=2)
    watch.stats["pod3"] = stat(None)
    watch.run(1)
    return watch


def shown(ledger: Ledger, watch: Watch, queue: int = 0) -> dict[str, object]:
    assert watch.decision is not None
    return variant_json(ledger.variant("api", STABLE, queue, watch.decision))


def test_requests_are_counted_by_pod_and_by_variant() -> None:
    watch, ledger = watched(), Ledger()
    ledger.add(grouped([OK, OK, FAILED, UNSERVED, REFUSED]), {"api.stable": watch.pool.servers})
    found = shown(ledger, watch, queue=3)
    assert (found["requests"], found["errors"], found["retries"], found["queue"]) == (4, 2, 2, 3)
    pods = found["pods"]
    assert isinstance(pods, list)
    assert [(pod["address"], pod["port"]) for pod in pods] == [("10.0.0.1", 80), ("10.0.0.2", 80)]
    assert [(pod["requests"], pod["errors"]) for pod in pods] == [(3, 1), (0, 0)]
    assert pods[0]["responseSeconds"]["sum"] == 0.06
    assert pods[0]["responseSeconds"]["count"] == 2
    assert ledger.rejected == {"api": 1}


def test_the_buckets_are_those_of_their_bounds() -> None:
    counters = Counters()
    counters.count(replace_ms(ms) for ms in (0, 5, 6, 60_000, 60_001))
    assert counters.buckets[0] == 2
    assert counters.buckets[1] == 1
    assert counters.buckets[-2:] == [1, 1]
    assert len(counters.buckets) == len(BUCKETS) + 1


def replace_ms(ms: int) -> Line:
    return OK._replace(first_byte_ms=ms)


def test_a_pod_that_is_gone_stays_in_its_variant() -> None:
    watch, ledger = watched(), Ledger()
    ledger.add(grouped([OK, FAILED]), {"api.stable": watch.pool.servers})
    watch.stats["pod1"] = stat(None)
    watch.run(1)
    ledger.keep({"api"}, {("api", STABLE, "10.0.0.2:80")})
    found = shown(ledger, watch)
    assert (found["requests"], found["errors"]) == (2, 1)
    assert [pod["address"] for pod in found["pods"]] == ["10.0.0.2"]  # type: ignore[attr-defined]


def test_a_service_that_is_gone_is_forgotten() -> None:
    watch, ledger = watched(), Ledger()
    ledger.add(grouped([OK, UNSERVED, REFUSED]), {"api.stable": watch.pool.servers})
    ledger.arrived({"api": 3})
    ledger.keep(set(), set())
    assert (ledger.rejected, ledger.arrivals) == ({}, {})
    assert shown(ledger, watch)["requests"] == 0


def test_what_is_wrong_is_told() -> None:
    watch = Watch()
    watch.run(5)
    watch.run(0.25, pod1=failures(3))
    found = shown(Ledger(), watch)
    assert [pod["ejected"] for pod in found["pods"]] == ["Failing", *[None] * 5]  # type: ignore[attr-defined]
    assert (found["strategyInForce"], found["fallbackReason"], found["panic"]) == (
        "ResponseTime",
        None,
        False,
    )
    assert watch.decision is not None
    watch.decision = replace(watch.decision, pool=replace(watch.pool, checks_failed=True))
    assert shown(Ledger(), watch)["panic"] is True


def test_arrivals_go_on_over_a_new_process_of_haproxy() -> None:
    arrivals = Arrivals()
    for counted in (100, 130, 130, 20, 25):
        arrivals.look(counted)
    assert arrivals.total == 30 + 20 + 5
