"""What holds of the weights whatever the servers do."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gateway.pools import Watch, stat

from ragops.api.traffic import LoadBalancingStrategy
from ragops.gateway.files import Usage
from ragops.gateway.logline import Answers
from ragops.gateway.weights_usage import Sample

seconds = st.floats(min_value=0.0005, max_value=100)
some = st.builds(
    Answers,
    seconds=st.lists(seconds, max_size=5),
    failed=st.integers(0, 4),
    abandoned=st.lists(seconds, max_size=2),
    held=st.lists(seconds, max_size=9),
)
names = st.sampled_from([f"pod{number}" for number in range(1, 11)])
servers = st.builds(
    lambda number, there, up, sound, active, repeated, weight: stat(
        f"10.0.0.{number}:80" if there else None,
        up=there and up,
        sound=there and up and sound,
        check_failed=there and not sound,
        active=active,
        repeated=repeated,
        weight=weight,
    ),
    st.integers(1, 12),
    *[st.integers(0, 9).map(bool)] * 3,
    st.integers(0, 30),
    st.integers(0, 5),
    st.integers(0, 256),
)
share = st.none() | st.floats(min_value=0, max_value=20)
samples = st.none() | st.builds(
    Sample,
    st.dictionaries(st.integers(1, 12).map(lambda n: f"10.0.0.{n}"), st.builds(Usage, share, share)),
    st.floats(min_value=0, max_value=200),
)
look = st.tuples(
    st.dictionaries(names, some, max_size=10),
    st.none() | st.dictionaries(names, servers, max_size=10),
    samples,
    st.floats(min_value=0.001, max_value=120),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(LoadBalancingStrategy), st.lists(look, max_size=12))
def test_bounds(
    strategy: LoadBalancingStrategy,
    looks: list[tuple[dict[str, Answers], dict[str, object] | None, Sample | None, float]],
) -> None:
    watch = Watch(strategy=strategy, count=3)
    for answers, stats, usage, elapsed in looks:
        if stats is not None:
            watch.stats = dict(stats)  # type: ignore[arg-type]
        weights = watch.look(answers, usage=usage, seconds=elapsed, asked=stats is not None)
        assert all(0 <= weight <= 256 for weight in weights.values())
        usable = watch.pool.usable
        assert sum(1 for server in usable.values() if server.ejection) <= len(usable) / 3
        assert not usable or any(weights[name] > 0 for name in usable)
