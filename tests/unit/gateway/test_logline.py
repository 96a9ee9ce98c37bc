"""The log line: what it says, and what is not one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragops.gateway.logline import MAX_LINE, Line, answers, grouped, parse


def line(text: str) -> Line:
    found = parse(text.encode())
    assert found is not None
    return found


def test_the_fields() -> None:
    assert line("api.stable pod3 12 40 5 200 -- +1\n") == Line("api.stable", "pod3", 12, 40, 5, 200, "--", 1)
    assert line("api - -1 0 -1 429 PR 0") == Line("api", None, -1, 0, 0, 429, "PR", 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Server api.stable/pod1 is DOWN, reason: Layer7",
        "api.stable pod1 12 40 5 200 -- 0 more",
        "api.stable pod1 x 40 5 200 -- 0",
        "api.stable pod1 1 40 5 200 --- 0",
        "äpi.stable pod1 1 40 5 200 -- 0",
        "x" * (MAX_LINE + 1),
    ],
)
def test_what_is_no_line(text: str) -> None:
    assert parse(text.encode()) is None


@given(st.binary(max_size=600))
def test_any_datagram_can_be_read(datagram: bytes) -> None:
    parse(datagram)


@pytest.mark.parametrize(
    ("rest", "failed", "error"),
    [
        ("pod1 5 9 0 200 -- 0", False, False),
        ("pod1 5 9 0 404 -- 0", False, False),
        ("pod1 5 9 0 500 -- 0", True, True),
        ("pod1 -1 9 0 503 SC 0", True, True),
        ("pod1 -1 9 0 502 SH 0", True, True),
        ("pod1 -1 9 0 504 sH 0", True, True),
        ("pod1 -1 9 0 502 PH 0", True, True),
        ("pod1 5 9 0 200 SD 0", True, True),
        ("pod1 5 9 0 200 DD 0", True, True),
        ("pod1 5 9 0 200 CD 0", False, False),
        ("pod1 -1 9 0 400 CH 0", False, False),
        ("pod1 -1 9 9 503 sQ 0", False, True),
        ("- -1 9 9 503 sQ 0", False, True),
        ("- -1 0 0 503 SC 0", False, True),
        ("- -1 0 0 429 PR 0", False, False),
    ],
)
def test_whose_failure_it_is(rest: str, failed: bool, error: bool) -> None:
    found = line(f"api.stable {rest}")
    assert (found.failed, found.error) == (failed, error)


def test_only_a_client_that_left_before_the_answer_has_abandoned_it() -> None:
    texts = ("pod1 -1 900 0 400 CH 0", "pod1 5 900 0 200 CD 0", "- -1 900 900 503 CQ 0")
    assert [line(f"api.stable {text}").abandoned for text in texts] == [True, False, False]


def test_lines_are_grouped_and_summed_by_server() -> None:
    lines = [
        line("api.stable pod1 10 100 20 200 -- 0"),
        line("api.stable pod1 5 6 0 500 -- 0"),
        line("api.stable pod1 -1 300 0 400 CH 0"),
        line("api.stable pod2 10 10 0 200 -- 0"),
        line("api.stable - -1 0 0 503 SC 0"),
    ]
    found = grouped(lines)
    assert {backend: set(servers) for backend, servers in found.items()} == {
        "api.stable": {"pod1", "pod2", None}
    }
    summed = answers(found["api.stable"]["pod1"])
    assert summed.seconds == pytest.approx([0.0105])
    assert summed.failed == 1
    assert summed.abandoned == pytest.approx([0.3005])
    assert summed.held == pytest.approx([0.0805, 0.0065, 0.3005])
