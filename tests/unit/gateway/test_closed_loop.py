"""The whole loop in simulated time, on HAProxy's leastconn: the faults that a gateway must hide."""

from collections.abc import Callable

import pytest
from tests.unit.gateway.queueing import Backend, Run

from ragops.api.traffic import LoadBalancingStrategy

FAULT_SECOND = 5.0


def change(number: int, **values: object) -> Callable[[list[Backend]], None]:
    def fault(servers: list[Backend]) -> None:
        for name, value in values.items():
            setattr(servers[number], name, value)

    return fault


SCENARIOS: dict[str, list[tuple[float, Callable[[list[Backend]], None]]]] = {
    "equal": [],
    "slow": [(FAULT_SECOND, change(3, factor=10))],
    "stuck": [(FAULT_SECOND, change(3, stuck=True)), (FAULT_SECOND + 30, change(3, stuck=False))],
    "failing": [(FAULT_SECOND, change(3, failing=True))],
    "half": [(0, change(0, places=2)), (0, change(1, places=2))],
    "cold": [
        (0, change(9, there=False)),
        (FAULT_SECOND, change(9, there=True, factor=8)),
        (FAULT_SECOND + 5, change(9, factor=1)),
    ],
}


def ours(scenario: str, seed: int = 1, retries: int = 0) -> Run:
    faults = SCENARIOS[scenario]
    strategy = LoadBalancingStrategy.RESPONSE_TIME
    return Run("leastconn", seconds=40, seed=seed, faults=faults, strategy=strategy, retries=retries).run()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_999_of_1000_requests_are_good(scenario: str, seed: int) -> None:
    run = ours(scenario, seed)
    assert run.good >= 99.9
    beside = Run("peakewma", seconds=40, seed=seed, faults=SCENARIOS[scenario]).run()
    assert run.quantile(0.99) <= 1.1 * beside.quantile(0.99)


def test_with_retries_no_failure_is_seen() -> None:
    assert ours("failing", retries=2).good == 100


def test_the_simulation_shows_what_haproxy_alone_does() -> None:
    """Otherwise it would prove nothing."""
    failing = SCENARIOS["failing"]
    assert Run("leastconn", faults=failing).run().good < 70
    assert Run("roundrobin", faults=failing).run().good < 95


def test_equal_servers_keep_their_weights() -> None:
    """No change at all, after a start from equal weights: nothing swings."""
    run = ours("equal")
    assert {weight for _, weights in run.trace for weight in weights.values()} == {100}


def test_half_the_capacity_gets_about_half_and_the_weights_come_to_rest() -> None:
    run = ours("half")
    late = [sum(1 for at in server.sent if at > 20) for server in run.servers]
    whole = sum(late[2:]) / 8
    assert 0.4 * whole <= sum(late[:2]) / 2 <= 0.8 * whole
    changes = [
        at
        for (at, weights), (_, before) in zip(run.trace[1:], run.trace, strict=False)
        if at > 20 and weights != before
    ]
    assert len(changes) < 20


def test_a_server_that_moves_again_is_used_again() -> None:
    run = ours("stuck")
    assert sum(1 for at in run.servers[3].sent if at > 37) > 20


def test_a_cold_newcomer_is_not_flooded_and_gets_its_share_in_the_end() -> None:
    run = ours("cold")
    newcomer, other = run.servers[9].sent, run.servers[0].sent
    early = (FAULT_SECOND, FAULT_SECOND + 2)
    assert sum(1 for at in newcomer if early[0] <= at < early[1]) < 0.3 * sum(
        1 for at in other if early[0] <= at < early[1]
    )
    assert sum(1 for at in newcomer if at > 30) > 0.8 * sum(1 for at in other if at > 30)
