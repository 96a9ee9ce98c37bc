"""What the load-balancing benchmark makes of what it measured."""

import os
import socket
import struct
import subprocess
import sys
import time

import pytest
from bench.balance import RATE, SCENARIOS, SECONDS, Cell, share, tables, verdict
from bench.balance_plot import good_by_second
from bench.balancers import BALANCERS, DIRECT, Balancer
from bench.page import PAGE, replaced
from bench.pool import answer, cpu_seconds


def cell(balancer: Balancer, scenario: int, good: int, p99: float, cpu: float, added: float) -> Cell:
    figures = {"requests": 10_000, "good": good, "p99": p99, "addedP50": added}
    return Cell(balancer, SCENARIOS[scenario], figures, cpu)


def test_the_tables_have_a_row_for_each_balancer() -> None:
    ours, other = BALANCERS[:2]
    cells = [
        cell(ours, 0, 10_000, 150.4, 60, 0.4),
        cell(ours, 1, 9_999, 300, 80, 0.6),
        cell(other, 0, 9_000, 5000, 40, 0.5),
        cell(DIRECT, 0, 10_000, 140, 0, 0.2),
    ]
    good, p99, price = (text.splitlines() for text in tables(cells).split("\n\n"))
    assert good == [
        "| good requests % | all equal | one ten times slower |",
        "| --- | ---: | ---: |",
        f"| {ours.title} | 100.00 | 99.99 |",
        f"| {other.title} | 90.00 |  |",
    ]
    assert p99[2:] == [f"| {ours.title} | 150 | 300 |", f"| {other.title} | 5000 |  |"]
    assert price[2:] == [
        f"| {ours.title} | 70 | 0.50 |",
        f"| {other.title} | 40 | 0.50 |",
        f"| {DIRECT.title} |  | 0.20 |",
    ]


def test_the_verdict_is_about_the_worst_scenario() -> None:
    by_name = {balancer.name: balancer for balancer in (*BALANCERS, DIRECT)}
    cells = [
        cell(by_name["response-time"], 0, 10_000, 100, 60, 1.5),
        cell(by_name["response-time"], 1, 9_992, 300, 90, 9),
        cell(by_name["response-time-retries"], 0, 9_999, 100, 70, 1),
        cell(by_name["response-time-retries"], 1, 10_000, 100, 70, 1),
        cell(by_name["haproxy-leastconn"], 0, 10_000, 100, 50, 1),
        cell(by_name["haproxy-leastconn"], 1, 10_000, 100, 50, 1),
        cell(by_name["peak-ewma"], 0, 10_000, 110, 200, 1),
        cell(by_name["peak-ewma"], 1, 10_000, 250, 200, 1),
        cell(DIRECT, 0, 10_000, 90, 0, 0.6),
    ]
    reached = [row.split(" | ")[1] for row in verdict(cells).splitlines()[2:]]
    assert reached == ["99.92", "99.99", "1.20", "1.50", "0.90"]


@pytest.mark.parametrize(("percent", "text"), [(100.0, "100.00"), (99.996, "99.99"), (50.0, "50.00")])
def test_shares_are_rounded_down(percent: float, text: str) -> None:
    assert share(percent) == text


def test_seconds_without_a_request_are_good() -> None:
    series = [{"requests": 4, "good": 3}, {"requests": 0, "good": 0}]
    assert good_by_second({"series": series}) == [75.0, 100.0]


def test_names_and_scenarios_are_unique() -> None:
    names = [balancer.name for balancer in (*BALANCERS, DIRECT)]
    assert len(set(names)) == len(names)
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_a_share_of_good_requests_tells_a_single_one() -> None:
    assert 100 / (RATE * SECONDS) < 0.01


def query(kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label for label in (b"service", b"bench", b"test"))
    # One question, and one additional record: EDNS, which the answer leaves out.
    header = struct.pack("!HHHHHH", 0x1234, 0x0100, 1, 0, 0, 1)
    return header + labels + b"\0" + struct.pack("!HH", kind, 1) + b"\0\0\x29\x10\0\0\0\0\0\0\0"


def test_names_are_resolved_to_all_members() -> None:
    asked, ips = query(1), ["127.20.0.1", "127.20.0.2"]
    given = answer(asked, ips)
    ident, flags, questions, records, authorities, additional = struct.unpack_from("!HHHHHH", given)
    assert (ident, flags, questions, records, authorities, additional) == (0x1234, 0x8500, 1, 2, 0, 0)
    question = len(asked) - 11
    assert given[12:question] == asked[12:question]
    found = [struct.unpack_from("!HHHIH4s", given, question + 16 * number) for number in range(records)]
    assert [(name, kind, length) for name, kind, _, _, length, _ in found] == [(0xC00C, 1, 4)] * 2
    assert [socket.inet_ntoa(address) for *_, address in found] == ips
    assert len(given) == question + 2 * 16


def test_there_are_no_addresses_of_another_type() -> None:
    asked = query(28)
    given = answer(asked, ["127.20.0.1"])
    assert struct.unpack_from("!HH", given, 4) == (1, 0)
    assert len(given) == len(asked) - 11


def test_cpu_time_is_that_of_the_process_and_its_children() -> None:
    own = time.process_time()
    # A tick of the clock is the finest that the kernel tells.
    assert cpu_seconds(os.getpid()) >= own - 2 / os.sysconf("SC_CLK_TCK")
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with_child = cpu_seconds(os.getpid())
        assert with_child >= own + cpu_seconds(child.pid) - 0.02
        assert cpu_seconds(child.pid) >= 0.28
        child.communicate(b"\n")


def test_the_page_has_the_section() -> None:
    assert replaced(PAGE.read_text(), "balance", "new") != PAGE.read_text()
