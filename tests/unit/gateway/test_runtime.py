"""The words of HAProxy's runtime API, as 2.6 speaks them."""

import pytest

from ragops.gateway import runtime

HEADER = (
    "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,"
    "weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,rate,"
    "rate_lim,rate_max,check_status,check_code,check_duration,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,"
    "hrsp_other,hanafail,req_rate,req_rate_max,req_tot,cli_abrt,srv_abrt,last_chk,check_desc,addr,uweight,"
)


def row(name: str, server: str, **values: str) -> str:
    columns = HEADER.removeprefix("# ").split(",")
    given = {"pxname": name, "svname": server, **values}
    return ",".join(given.get(column, "") for column in columns)


def servers(**values: str) -> runtime.ServerStat:
    text = "\n".join((HEADER, row("api.stable", "pod1", **values), "", ""))
    return runtime.parse_servers(text)["api.stable"]["pod1"]


def test_a_server() -> None:
    found = servers(
        qcur="2",
        scur="3",
        wretr="4",
        wredis="1",
        status="UP",
        check_status="L7OK",
        addr="10.0.0.1:80",
        uweight="50",
    )
    assert found == runtime.ServerStat("10.0.0.1:80", True, True, False, 3, 2, 50, 4)


@pytest.mark.parametrize(
    ("status", "check", "address", "up", "sound", "failed"),
    [
        ("no check", "", "10.0.0.1:80", True, True, False),
        ("UP", "* L7OK", "10.0.0.1:80", True, False, False),
        ("UP 1/2", "L7TOUT", "10.0.0.1:80", True, False, True),
        ("DOWN", "L4CON", "10.0.0.1:80", False, False, True),
        ("DOWN 1/2", "L7OK", "10.0.0.1:80", False, False, False),
        ("UP 1/3", "INI", "10.0.0.1:80", True, False, False),
        ("MAINT", "", None, False, False, False),
        ("MAINT (resolution)", "", None, False, False, False),
    ],
)
def test_states(status: str, check: str, address: str | None, up: bool, sound: bool, failed: bool) -> None:
    found = servers(status=status, check_status=check, addr="10.0.0.1:80")
    assert (found.address, found.up, found.sound, found.check_failed) == (address, up, sound, failed)


def test_what_a_pod_has_said_does_not_shift_the_columns() -> None:
    said = '"a, ""b"",\nc"'
    found = servers(status="UP", check_status="L7OK", last_chk=said, addr="10.0.0.1:80", uweight="50")
    assert (found.address, found.weight) == ("10.0.0.1:80", 50)


def test_proxies() -> None:
    rows = (row("api", "FRONTEND", req_tot="17"), row("api.stable", "BACKEND", qcur="4"))
    text = "\n".join((HEADER, *rows, ""))
    assert runtime.parse_arrivals(text) == {"api": 17}
    assert runtime.parse_queues(text) == {"api.stable": 4}


@pytest.mark.parametrize("text", ["", "Unknown command: 'x'\n", "# pxname,svname,\n"])
def test_what_is_not_understood_is_told(text: str) -> None:
    with pytest.raises(runtime.RuntimeAnswerError):
        runtime.parse_servers(text)


def test_maps() -> None:
    assert runtime.parse_map("0x55d0 api 25\n0x55d1 docs 0\n\n") == {"api": "25", "docs": "0"}
    assert runtime.parse_map_file("# shares\napi 25\n\ndocs 0\n") == {"api": "25", "docs": "0"}


STATE = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state
4 api.stable 1 pod1 {address} 2 0 {weight} 100 {since} 6 3 4 {check} 0
"""


def state(address: str = "10.0.0.1", weight: int = 100, since: int = 7, check: int = 6) -> list[list[str]]:
    return runtime.lasting_state(STATE.format(address=address, weight=weight, since=since, check=check))


def test_what_passes_by_itself_is_no_other_state() -> None:
    """How long it has been so, and whether a check is under way."""
    assert state(since=8) == state(check=7) == state()
    assert state(weight=50) != state()
    assert state(address="10.0.0.2") != state()


def test_info() -> None:
    assert runtime.parse_info("Name: HAProxy\nPid: 7\nnode: a:b\n")["Pid"] == "7"


def test_commands() -> None:
    assert runtime.set_weight("api.stable", "pod1", 0) == "set weight api.stable/pod1 0"
    assert runtime.set_health_up("api.stable", "pod1") == "set server api.stable/pod1 health up"
    assert runtime.set_map("/a/split.map", "api", "5") == "set map /a/split.map api 5"


def test_commands_are_joined_to_lines_that_fit_into_the_buffer() -> None:
    commands = [runtime.set_weight("api.stable", f"pod{number}", 100) for number in range(1000)]
    lines = list(runtime.batches(commands))
    assert ";".join(lines).split(";") == commands
    assert max(map(len, lines)) <= runtime.MAX_COMMAND
    assert len(lines) < 8
    assert list(runtime.batches([])) == []
