"""The weights: by response time, by usage, for newcomers, and where nothing is known."""

from dataclasses import replace

import pytest
from tests.unit.gateway.pools import Watch, failures, good, stat

from ragops.api.traffic import LoadBalancingStrategy as Strategy
from ragops.gateway.files import Usage
from ragops.gateway.weights_usage import Sample


def test_equal_servers_have_the_base_weight_and_keep_it() -> None:
    watch = Watch()
    for _ in range(40):
        assert set(watch.run(0.25).values()) == {100}


def test_noise_moves_nothing() -> None:
    watch = Watch()
    for _ in range(20):
        weights = watch.look({name: good(*[0.04 + 0.003 * n] * 5) for n, name in enumerate(watch.stats)})
    assert set(weights.values()) == {100}


def test_a_server_three_times_slower_gets_less_in_steps() -> None:
    watch = Watch()
    watch.run(5)
    slow = good(*[0.15] * 5)
    first = watch.run(0.25, pod1=slow)["pod1"]
    settled = watch.run(20, pod1=slow)
    assert first > 60
    assert 30 <= settled["pod1"] <= 50
    assert settled["pod2"] == 100
    assert watch.run(20, pod1=slow) == settled


def test_a_faster_server_gets_more() -> None:
    watch = Watch()
    assert watch.run(20, pod1=good(*[0.02] * 5))["pod1"] > 150


def test_a_weight_falls_faster_than_it_grows_and_both_are_bounded() -> None:
    watch = Watch()
    watch.run(5)
    weights = [watch.run(0.25, pod1=good(*[0.2] * 50))["pod1"] for _ in range(40)]
    falls = [after / before for before, after in zip([100, *weights], weights, strict=False)]
    assert min(falls) >= watch.rules.shrinkage**-0.25 - 0.02
    risen = [watch.run(0.25, pod1=good(*[0.05] * 50))["pod1"] for _ in range(80)]
    rises = [after / before for before, after in zip([weights[-1], *risen], risen, strict=False)]
    # What is too small a change is made up for later: two steps at once.
    assert max(rises) <= watch.rules.growth**0.75
    assert risen[-1] == 100


def test_active_requests_lengthen_the_effective_time() -> None:
    watch = Watch()
    watch.stats["pod1"] = stat("10.0.0.1:80", active=21)
    assert watch.run(20)["pod1"] < 60


def test_errors_lengthen_the_effective_time() -> None:
    """Too few to be ejected: a quarter of the weight is gone, and the server is still in use."""
    watch = Watch()
    watch.run(5)
    for number in range(80):
        weights = watch.run(0.25, **({"pod1": failures(1)} if number % 4 == 0 else {}))
    assert watch.ejected() == {}
    assert weights["pod1"] < 75


def test_time_to_the_first_byte_counts_and_not_the_length_of_a_stream() -> None:
    watch = Watch()
    stream = good(*[0.05] * 5)
    stream.held = [30.0] * 5
    assert watch.run(20, pod1=stream)["pod1"] == 100


def test_answers_of_less_than_a_millisecond() -> None:
    watch = Watch()
    for _ in range(40):
        weights = watch.look({name: good(*[0.0005] * 5) for name in watch.stats})
    assert set(weights.values()) == {100}
    for _ in range(40):
        weights = watch.look({n: good(*[0.005 if n == "pod1" else 0.0005] * 5) for n in watch.stats})
    assert watch.ejected() == {}


def test_without_any_answer_the_weights_stay() -> None:
    watch = Watch()
    watch.stats["pod1"] = stat("10.0.0.1:80", weight=50)
    for _ in range(40):
        weights = watch.look()
    assert weights["pod1"] == 50
    assert weights["pod2"] == 100


def test_a_newcomer_begins_low_and_rises_without_being_measured() -> None:
    watch = Watch()
    watch.stats["pod7"] = stat(None)
    assert watch.run(5)["pod7"] == 10
    watch.stats["pod7"] = stat("10.0.0.7:80", weight=10, active=0)
    first = watch.run(0.25, pod7=good())["pod7"]
    assert first <= 12
    assert watch.run(2, pod7=good())["pod7"] < 40
    assert watch.run(10, pod7=good())["pod7"] == 100


def test_another_pod_in_the_same_slot_is_a_newcomer() -> None:
    watch = Watch()
    watch.run(5, pod1=failures(1))
    watch.stats["pod1"] = stat("10.0.0.99:80")
    assert watch.run(0.25)["pod1"] <= 12
    assert watch.ejected() == {}


def test_servers_that_come_all_at_once_begin_at_full_weight() -> None:
    watch = Watch(count=0)
    watch.stats = {f"pod{n}": stat(None) for n in range(1, 5)}
    watch.look()
    watch.stats = {f"pod{n}": stat(f"10.0.0.{n}:80", weight=10) for n in range(1, 5)}
    assert len(set(watch.run(5).values())) == 1


def test_a_server_that_was_down_begins_low_again() -> None:
    watch = Watch()
    watch.run(5)
    watch.stats["pod1"] = stat("10.0.0.1:80", up=False, sound=False)
    watch.run(5)
    watch.stats["pod1"] = stat("10.0.0.1:80")
    assert watch.run(0.25)["pod1"] <= 12


@pytest.mark.parametrize("strategy", [Strategy.ROUND_ROBIN, Strategy.LEAST_CONNECTIONS])
def test_haproxys_own_strategies_have_equal_weights(strategy: Strategy) -> None:
    watch = Watch(strategy=strategy)
    watch.stats["pod1"] = stat("10.0.0.1:80", weight=7)
    assert set(watch.run(5, pod1=good(*[3.0] * 5), pod2=failures(5)).values()) == {100}


def shares(**cpu: float | None) -> Sample:
    return Sample({f"10.0.0.{name[3:]}": Usage(value, 0.5) for name, value in cpu.items()})


def test_usage_comes_to_rest_where_all_use_the_same() -> None:
    """Usage follows the weight: a pod that does other work besides gets less until it is like the others."""
    watch = Watch(strategy=Strategy.RESOURCE_USAGE)
    weights, first = watch.look(), []
    for _ in range(30):
        load = {name: 0.5 * weight / 100 + (0.2 if name == "pod1" else 0) for name, weight in weights.items()}
        weights = watch.look(usage=shares(**load), seconds=15)
        first.append(weights["pod1"])
    assert weights["pod1"] < 75
    assert min(first) >= weights["pod1"] - 10, "it went too far and came back"
    assert max(load.values()) - min(load.values()) < 0.1
    assert weights == watch.look(usage=shares(**load), seconds=15)


def test_memory_counts_as_well() -> None:
    watch = Watch(strategy=Strategy.RESOURCE_USAGE)
    watch.look()
    pods = {f"10.0.0.{n}": Usage(0.5, 0.9 if n == 1 else 0.3) for n in range(1, 7)}
    weights = watch.look(usage=Sample(pods), seconds=15)
    assert weights["pod1"] < weights["pod2"]


def unequal() -> Sample:
    """Read anew: another object with the same values."""
    return shares(pod1=0.9, pod2=0.5, pod3=0.5, pod4=0.5, pod5=0.5, pod6=0.5)


def test_the_same_values_read_again_move_nothing_more() -> None:
    watch = Watch(strategy=Strategy.RESOURCE_USAGE)
    watch.look()
    before = watch.look(usage=unequal(), seconds=15)
    assert before["pod1"] < 90
    for _ in range(10):
        assert watch.look(usage=unequal()) == before


@pytest.mark.parametrize("first", [0.005, 0.25, 15.0])
def test_one_sample_is_enough_however_soon_the_next_look_comes(first: float) -> None:
    """Each look comes nearer to what the sample says, the look of an alarm too."""
    watch = Watch(count=3, strategy=Strategy.RESOURCE_USAGE)
    watch.look()
    told = [Usage(share, None) for share in (0.95, 0.2, 0.2)]
    weights = watch.look(usage=Sample({f"10.0.0.{n}": used for n, used in enumerate(told, 1)}), seconds=first)
    for _ in range(40):
        weights = watch.look(usage=Sample({f"10.0.0.{n}": used for n, used in enumerate(told, 1)}))
    # The square roots of 0.45/0.95 and 0.45/0.2.
    assert 66 <= weights["pod1"] <= 72
    assert 138 <= weights["pod2"] <= 152
    assert weights["pod2"] == weights["pod3"]


def test_a_pod_that_was_not_in_the_sample_rises_before_the_next_one() -> None:
    watch = Watch(strategy=Strategy.RESOURCE_USAGE)
    watch.look()
    watch.look(usage=unequal(), seconds=15)
    watch.stats["pod7"] = stat("10.0.0.7:80", weight=10)
    assert watch.look(usage=unequal())["pod7"] <= 12
    for _ in range(40):
        weights = watch.look(usage=unequal())
    assert weights["pod7"] == 100


def test_usage_is_old_when_the_operator_is_silent_until_it_asks_again() -> None:
    watch = Watch(strategy=Strategy.RESOURCE_USAGE)
    watch.look()
    uneven = watch.look(usage=replace(unequal(), silent=119), seconds=15)
    assert uneven["pod1"] < 90
    assert watch.decision is not None
    assert watch.decision.fallback is None
    equal = watch.look(usage=replace(unequal(), silent=120), seconds=15)
    assert set(equal.values()) == {100}
    assert watch.decision.strategy is Strategy.LEAST_CONNECTIONS
    assert watch.decision.fallback == "the operator has not asked for 120 s, so usage is old"
    assert watch.look(usage=unequal(), seconds=15) == uneven
    assert watch.decision.strategy is Strategy.RESOURCE_USAGE


def test_without_usage_all_get_the_same_and_it_is_told() -> None:
    watch = Watch(strategy=Strategy.RESOURCE_USAGE)
    watch.look(usage=shares(pod1=0.9, pod2=0.1, pod3=0.1, pod4=0.1, pod5=0.1, pod6=0.1), seconds=15)
    for missing in (None, shares(pod1=0.9, pod2=0.1), Sample({"10.0.0.1": Usage(None, None)})):
        watch.look(usage=missing, seconds=15)
        assert watch.decision is not None
        assert watch.decision.strategy is Strategy.LEAST_CONNECTIONS
    assert watch.decision.fallback == "usage is known of 0 of 6 pods"
    weights = watch.run(20)
    assert set(weights.values()) == {100}


def test_a_pod_without_usage_gets_what_is_usual() -> None:
    watch = Watch(strategy=Strategy.RESOURCE_USAGE)
    watch.look()
    weights = watch.look(usage=shares(pod1=0.9, pod2=0.5, pod3=0.5, pod4=0.5, pod5=0.5), seconds=15)
    assert weights["pod6"] == 100
    assert watch.decision is not None
    assert watch.decision.strategy is Strategy.RESOURCE_USAGE


def test_a_failing_pod_is_ejected_whatever_little_it_uses() -> None:
    watch = Watch(strategy=Strategy.RESOURCE_USAGE)
    watch.run(2)
    assert watch.run(0.5, pod1=failures(2))["pod1"] == 0
