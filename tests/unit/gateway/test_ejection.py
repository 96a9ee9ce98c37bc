"""Which servers are ejected, how they come back, and what never happens."""

import pytest
from tests.unit.gateway.pools import Watch, failures, good, stat

from ragops.api.traffic import LoadBalancingStrategy
from ragops.gateway.logline import Answers


def test_the_second_error_ejects_at_once() -> None:
    watch = Watch()
    watch.run(5)
    assert watch.look({"pod1": failures(1)}, seconds=0.005, asked=False)["pod1"] == 100
    assert watch.look({"pod1": failures(1)}, seconds=0.005, asked=False)["pod1"] == 0
    assert watch.ejected() == {"pod1": "Failing"}


def test_two_errors_far_apart_are_no_failure() -> None:
    watch = Watch()
    watch.run(5)
    watch.look({"pod1": failures(1)})
    watch.run(10)
    watch.look({"pod1": failures(1)})
    assert watch.ejected() == {}


def test_errors_of_which_all_have_some_eject_nobody() -> None:
    """Bad requests, or something behind all servers."""
    watch = Watch()
    watch.run(5)
    for _ in range(20):
        watch.look({name: Answers([0.05] * 4, 1, [], [0.05] * 5) for name in watch.stats})
    assert watch.ejected() == {}
    assert not watch.pool.panic
    assert max(server.evidence for server in watch.pool.servers.values()) < watch.rules.failing


def test_a_burst_of_errors_that_reaches_most_servers_ejects_nobody() -> None:
    """So few among so many good answers that each server by itself would look bad beside the others."""
    watch = Watch()
    for _ in range(20):
        watch.look({name: good(*[0.05] * 200) for name in watch.stats})
    watch.look({name: failures(3) for name in list(watch.stats)[:4]}, seconds=0.005, asked=False)
    assert max(server.evidence for server in watch.pool.servers.values()) > watch.rules.failing
    assert watch.ejected() == {}


def test_a_failed_try_that_was_repeated_counts() -> None:
    watch = Watch()
    watch.run(5)
    watch.stats["pod1"] = stat("10.0.0.1:80", repeated=2)
    watch.run(0.25)
    assert watch.ejected() == {"pod1": "Failing"}


def test_counters_that_begin_anew_are_no_errors() -> None:
    watch = Watch()
    watch.stats["pod1"] = stat("10.0.0.1:80", repeated=50)
    watch.run(5)
    watch.stats["pod1"] = stat("10.0.0.1:80", repeated=0)
    watch.run(1)
    assert watch.ejected() == {}


def test_clients_that_gave_up_after_long_count_as_errors_and_others_do_not() -> None:
    watch = Watch()
    watch.run(5)
    watch.look({"pod1": Answers(abandoned=[0.06] * 5, held=[0.06] * 5)})
    assert watch.ejected() == {}
    watch.look({"pod1": Answers(abandoned=[1.0, 1.0], held=[1.0, 1.0])})
    assert watch.ejected() == {"pod1": "Failing"}


def test_a_server_that_answers_nothing_is_stuck() -> None:
    """It is in no log, but it has requests, and the others answer."""
    watch = Watch()
    watch.run(5)
    watch.stats["pod1"] = stat("10.0.0.1:80", active=3)
    watch.run(0.75, pod1=good())
    assert watch.ejected() == {"pod1": "Stuck"}


def test_an_idle_server_is_not_stuck() -> None:
    watch = Watch()
    watch.stats["pod1"] = stat("10.0.0.1:80", active=0)
    watch.run(60, pod1=good())
    assert watch.ejected() == {}


def test_nobody_is_stuck_while_all_are_silent() -> None:
    """The machine may have stood still, and with it the agent's view."""
    watch = Watch()
    watch.run(5)
    for _ in range(40):
        watch.look()
    assert watch.ejected() == {}


def test_where_requests_take_long_silence_is_no_sign() -> None:
    watch = Watch()
    long = Answers(seconds=[2.0], held=[20.0])
    for _ in range(40):
        watch.run(0.25, **dict.fromkeys(watch.stats, long))
    watch.run(10, **{name: long for name in watch.stats if name != "pod1"}, pod1=good())
    assert watch.ejected() == {}


def test_a_server_ten_times_slower_is_ejected_and_three_times_is_not() -> None:
    watch = Watch()
    watch.run(5)
    watch.run(5, pod1=good(*[0.5] * 2), pod2=good(*[0.15] * 5))
    assert watch.ejected() == {"pod1": "Slow"}


def test_a_difference_that_nobody_notices_ejects_nobody() -> None:
    watch = Watch()
    for _ in range(40):
        watch.look({name: good(*[0.012 if name == "pod1" else 0.001] * 5) for name in watch.stats})
    assert watch.ejected() == {}


@pytest.mark.parametrize(("count", "most"), [(1, 0), (2, 0), (3, 1), (5, 1), (6, 2), (10, 3)])
def test_at_most_a_third_is_ejected(count: int, most: int) -> None:
    watch = Watch(count=count)
    watch.run(5)
    half = [f"pod{number}" for number in range(1, (count + 1) // 2 + (count == 2))]
    for _ in range(8):
        watch.run(0.25, **{name: failures(3) for name in half})
    assert len(watch.ejected()) == min(most, len(half))
    weights = watch.run(1.25, **{name: good() for name in half})
    assert sum(1 for weight in weights.values() if weight > 0) >= count - most


def test_a_failing_server_that_may_not_be_ejected_gets_a_request_a_second() -> None:
    watch = Watch(count=2)
    watch.run(5)
    assert watch.run(2, pod1=failures(3))["pod1"] == 0
    assert watch.ejected() == {}
    for _ in range(4):
        weights = watch.run(0.25, pod1=good())
    assert weights["pod1"] == 1, "it is not ejected: each second it gets a request"
    assert watch.look({"pod1": failures(1)}, asked=False)["pod1"] == 0
    watch.stats["pod1"] = stat("10.0.0.1:80", active=0)
    assert watch.run(30)["pod1"] == 100


def test_the_last_servers_get_requests_however_bad_they_are() -> None:
    watch = Watch(count=2)
    watch.run(5)
    for _ in range(8):
        weights = watch.look({"pod1": failures(1), "pod2": Answers([0.05], 3, [], [0.05] * 4)})
        assert max(weights.values()) > 0


def test_a_failing_server_takes_the_place_of_a_slow_one() -> None:
    watch = Watch(count=3)
    watch.run(5)
    watch.run(5, pod1=good(*[0.5] * 2))
    assert watch.ejected() == {"pod1": "Slow"}
    weights = watch.run(0.5, pod1=good(0.5), pod2=failures(3))
    assert watch.ejected() == {"pod2": "Failing"}
    assert weights["pod1"] > 0


def probe(watch: Watch, name: str) -> float:
    """Goes on until the server is probed; the seconds that it took."""
    began = watch.now
    while watch.pool.servers[name].weight == 0:
        watch.run(0.25, **{name: good()})
        assert watch.now - began < 200, "not probed"
    return watch.now - began


def test_an_ejected_server_is_probed_ever_later_and_returns_after_good_answers() -> None:
    watch = Watch()
    watch.run(5)
    watch.run(0.25, pod1=failures(2))
    waits = []
    for _ in range(4):
        waits.append(probe(watch, "pod1"))
        assert watch.pool.servers["pod1"].weight == 1
        assert watch.look({"pod1": failures(1)}, asked=False)["pod1"] == 0
    assert waits == pytest.approx([3, 6, 12, 24], abs=0.6)
    probe(watch, "pod1")
    watch.run(0.25, pod1=good(0.05))
    assert watch.ejected() == {"pod1": "Failing"}
    assert watch.run(0.25, pod1=good(0.05, 0.05))["pod1"] <= 12
    assert watch.ejected() == {}
    assert watch.run(20)["pod1"] == 100


def test_back_on_parole_the_first_error_is_enough_and_the_next_probe_is_later() -> None:
    watch = Watch()
    watch.run(5)
    watch.run(0.25, pod1=failures(2))
    probe(watch, "pod1")
    watch.run(0.25, pod1=good(0.05, 0.05, 0.05))
    assert watch.ejected() == {}
    watch.look({"pod1": failures(1)}, asked=False)
    assert watch.ejected() == {"pod1": "Failing"}
    assert probe(watch, "pod1") == pytest.approx(6, abs=0.6)


def test_a_slow_answer_to_a_probe_is_no_good_one() -> None:
    watch = Watch()
    watch.run(5)
    watch.run(0.25, pod1=failures(2))
    probe(watch, "pod1")
    watch.stats["pod1"] = stat("10.0.0.1:80", active=0)
    for _ in range(4):
        watch.run(0.25, pod1=good())
    watch.run(0.25, pod1=good(0.5))
    assert watch.ejected() == {"pod1": "Slow"}
    assert watch.pool.servers["pod1"].weight == 0


def test_what_was_sent_before_the_probe_says_nothing_of_it() -> None:
    watch = Watch()
    watch.run(5)
    watch.run(0.25, pod1=failures(2))
    probe(watch, "pod1")
    assert watch.run(0.25, pod1=good(30.0, 30.0, 30.0))["pod1"] == 1
    assert watch.ejected() == {"pod1": "Failing"}


def test_the_long_times_of_a_stuck_server_do_not_hide_the_next_one() -> None:
    watch = Watch()
    watch.run(5)
    watch.stats["pod1"] = stat("10.0.0.1:80", active=3)
    watch.run(0.75, pod1=good())
    watch.run(0.25, pod1=good(*[30.0] * 20))
    watch.stats["pod2"] = stat("10.0.0.2:80", active=3)
    watch.run(0.75, pod2=good())
    assert watch.ejected()["pod2"] == "Stuck"


def test_no_probe_while_haproxys_check_is_not_good_and_one_when_it_is_again() -> None:
    watch = Watch()
    watch.run(5)
    watch.run(0.25, pod1=failures(2))
    watch.stats["pod1"] = stat("10.0.0.1:80", sound=False, active=0)
    assert watch.run(30, pod1=good())["pod1"] == 0
    watch.stats["pod1"] = stat("10.0.0.1:80", sound=False, up=False)
    watch.run(1, pod1=good())
    watch.stats["pod1"] = stat("10.0.0.1:80")
    assert watch.run(0.25, pod1=good())["pod1"] == 1


def test_a_stuck_server_that_moves_again_is_probed_at_once() -> None:
    watch = Watch()
    watch.run(5)
    watch.stats["pod1"] = stat("10.0.0.1:80", active=3)
    watch.run(0.75, pod1=good())
    assert watch.ejected() == {"pod1": "Stuck"}
    assert watch.run(0.25, pod1=good(0.8, 0.8, 0.8))["pod1"] == 1


def test_when_all_fail_all_are_used_and_it_is_told_and_it_ends() -> None:
    watch = Watch()
    watch.run(5)
    watch.run(0.25, pod1=failures(2))
    for _ in range(40):
        weights = watch.look({name: failures(5) for name in watch.stats})
    assert watch.pool.panic
    assert set(weights.values()) == {100}
    watch.run(20)
    assert not watch.pool.panic
    assert watch.ejected() == {}


def test_when_all_checks_fail_all_are_kept_up() -> None:
    watch = Watch(count=3)
    watch.run(1)
    assert watch.decision is not None
    assert watch.decision.revive == ()
    for name in watch.stats:
        watch.stats[name] = stat(f"10.0.0.{name[3:]}:80", check_failed=True, sound=False, up=name == "pod1")
    watch.stats["pod4"] = stat(None)
    watch.run(1)
    assert sorted(watch.decision.revive) == ["pod1", "pod2", "pod3"]
    assert watch.pool.checks_failed
    watch.stats["pod2"] = stat("10.0.0.2:80")
    watch.run(1)
    assert watch.decision.revive == ()
    assert not watch.pool.checks_failed


def test_a_new_agent_keeps_what_the_last_one_ejected_and_probes_it() -> None:
    watch = Watch()
    watch.stats["pod1"] = stat("10.0.0.1:80", weight=0)
    assert watch.look()["pod1"] == 0
    assert probe(watch, "pod1") == pytest.approx(3, abs=0.6)
    watch.run(0.25, pod1=good(0.05, 0.05, 0.05))
    assert watch.run(20)["pod1"] == 100


def test_the_cause_ends_with_the_strategy() -> None:
    watch = Watch()
    watch.run(5)
    watch.run(0.25, pod1=failures(2))
    watch.strategy = LoadBalancingStrategy.LEAST_CONNECTIONS
    assert watch.run(0.25)["pod1"] == 100


def test_what_most_servers_show_ejects_nobody() -> None:
    """The few that are left would have all requests, and soon be as slow."""
    watch = Watch(count=10)
    watch.run(5)
    most = [f"pod{number}" for number in range(1, 7)]
    for name in most:
        watch.stats[name] = stat(watch.stats[name].address, active=3)
    watch.run(3, **dict.fromkeys(most, good()))
    assert watch.ejected() == {}
    assert min(watch.decision.weights.values()) > 50 if watch.decision else False


def test_half_of_a_pool_may_be_outliers() -> None:
    watch = Watch(count=10)
    watch.run(5)
    half = [f"pod{number}" for number in range(1, 5)]
    for name in half:
        watch.stats[name] = stat(watch.stats[name].address, active=3)
    watch.run(3, **dict.fromkeys(half, good()))
    assert len(watch.ejected()) == 3
