"""The program of the load-balancing benchmark: its backends, its load and the proxy that it compares with."""

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench.balancers import BALANCERS, DIRECT
from bench.pool import WORK_HEADER, Backend, Names, await_all_serve, backends, tool

LANE = 250
"""Away from the lanes of the benchmark."""
WORK_US = 100_000


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[list[Backend]]:
    with backends(LANE, [1, 2], tmp_path) as started:
        yield started


def ask(backend: Backend, work: int | None = WORK_US) -> httpx.Response:
    headers = {} if work is None else {WORK_HEADER: str(work)}
    return httpx.get(f"http://{backend.host}/", headers=headers, timeout=30)


def spent(answer: httpx.Response) -> int:
    return int(answer.headers["X-Spent-Us"])


def load(*targets: Backend, seed: int = 1) -> dict[str, Any]:
    urls = ",".join(f"http://{target.host}/" for target in targets)
    options = ("--targets", urls, "--seed", str(seed), "--rate", "100", "--duration", "1s", "--work", "1ms")
    done = subprocess.run([tool(), "load", *options], capture_output=True, text=True, check=True, timeout=60)
    begin, summary = map(json.loads, done.stdout.splitlines())
    assert begin["begin"] > 0
    return dict(summary)


def test_a_backend_does_the_work_it_is_given(pool: list[Backend]) -> None:
    answer = ask(pool[0])
    assert answer.status_code == 200
    assert spent(answer) >= WORK_US
    assert pool[0].busy() == {"seconds": WORK_US / 1e6, "capacity": 1, "requests": 1}


def test_more_requests_than_the_capacity_wait(pool: list[Backend]) -> None:
    begin = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        assert {answer.status_code for answer in threads.map(ask, 4 * pool[:1])} == {200}
    assert time.monotonic() - begin >= 4 * WORK_US / 1e6
    assert [backend.busy()["capacity"] for backend in pool] == [1, 2]


def test_a_slow_backend_takes_longer(pool: list[Backend]) -> None:
    pool[0].set({"slow": 5})
    assert spent(ask(pool[0])) >= 5 * WORK_US
    pool[0].set({})
    ask(pool[0])
    assert pool[0].busy()["seconds"] == pytest.approx(6 * WORK_US / 1e6)


def test_a_cold_backend_takes_longer_at_first(pool: list[Backend]) -> None:
    pool[0].set({"coldSeconds": 3600, "coldFactor": 5})
    assert spent(ask(pool[0])) >= 4.9 * WORK_US


def test_a_failing_backend_looks_healthy(pool: list[Backend]) -> None:
    pool[0].set({"fail": True})
    assert ask(pool[0]).status_code == 500
    assert ask(pool[0], work=None).status_code == 200


@pytest.mark.parametrize("work", [None, 0])
def test_a_stuck_backend_answers_nobody_until_it_is_over(pool: list[Backend], work: int | None) -> None:
    pool[0].set({"stuckSeconds": 0.5})
    answer = ask(pool[0], work)
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.4


def test_the_load_is_that_of_its_seed(pool: list[Backend]) -> None:
    first, again, other = load(*pool), load(*pool), load(*pool, seed=2)
    assert [s["requests"] for s in first["series"]] == [s["requests"] for s in again["series"]]
    assert first["requests"] == again["requests"] != other["requests"]
    taken = [backend.busy()["requests"] for backend in pool]
    assert sum(taken) == first["requests"] + again["requests"] + other["requests"]
    assert abs(taken[0] - taken[1]) <= 3


def test_an_error_is_neither_good_nor_fast(pool: list[Backend]) -> None:
    pool[0].set({"fail": True})
    figures = load(pool[0])
    assert figures["good"] == 0
    assert figures["statuses"] == {"500": figures["requests"]}
    assert figures["p50"] == 5000


def test_no_answer_is_told() -> None:
    figures = load(Backend(f"127.20.{LANE}.99"))
    assert figures["statuses"] == {"0": figures["requests"]}


def test_peak_ewma_uses_all_members(pool: list[Backend], tmp_path: Path) -> None:
    proxy = next(balancer for balancer in BALANCERS if balancer.name == "peak-ewma")
    with ExitStack() as open_until_the_end:
        names = open_until_the_end.enter_context(Names())
        played = open_until_the_end.enter_context(proxy.start(names, tmp_path))
        assert httpx.get(played.urls[0]).status_code == 503
        played.set_members(pool)
        await_all_serve(played.urls, pool)
        played.set_members(pool[1:])
        before = pool[0].busy()["requests"]
        assert httpx.get(played.urls[0], headers={WORK_HEADER: "1"}).status_code == 200
        assert pool[0].busy()["requests"] == before


def test_without_a_balancer_all_members_are_asked(pool: list[Backend], tmp_path: Path) -> None:
    with Names() as names:
        names.set(pool)
        with DIRECT.start(names, tmp_path) as played:
            await_all_serve(played.urls, pool)
            assert played.cpu_seconds() == 0
