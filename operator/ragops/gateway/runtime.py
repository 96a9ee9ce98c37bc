"""The words of HAProxy's runtime API: what is sent, and what the answers say.

Source: HAProxy 2.6 Management Guide, 9.1 (CSV format of `show stat`) and 9.3 (commands).
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_COMMAND: Final = 8192
"""Bytes of one line of commands: half of HAProxy's buffer (tune.bufsize 16384)."""
SERVERS: Final = "show stat -1 4 -1"
"""All proxies, only their servers."""
PROXIES: Final = "show stat -1 3 -1"
"""Only frontends and backends."""
STATE: Final = "show servers state"
STATE_BEGINS: Final = "1\n"
"""The version of its format."""

_GOOD_CHECKS: Final = frozenset({"", "UNK", "INI", "L4OK", "L6OK", "L7OK", "L7OKC"})
"""Results of a check that are not bad; before the first one, and without checks, there is none."""


class Row(NamedTuple):
    """The columns of `show stat` that are used, in HAProxy's order."""

    pxname: str
    svname: str
    qcur: str
    scur: str
    wretr: str
    wredis: str
    status: str
    check_status: str
    req_tot: str
    addr: str
    uweight: str


_SINCE: Final = 9
"""Column srv_time_since_last_change of STATE. Source: HAProxy 2.6 Management Guide, 9.3."""
_CHECKING: Final = 13
"""Column srv_check_state: flags, of which one is set while a check is under way."""
_COLUMNS: Final = ("# pxname", *Row._fields[1:])


class RuntimeAnswerError(Exception):
    """HAProxy answered what is not understood."""


@dataclass(frozen=True, slots=True)
class ServerStat:
    """A server of a backend as it is now."""

    address: str | None
    """`address:port`; None while the slot is empty."""
    up: bool
    """Gets requests: its check is good, or it has none."""
    sound: bool
    """Up, the last check was good and none is waiting for its answer."""
    check_failed: bool
    """The last check was not good."""
    active: int
    """Requests under way in it."""
    queued: int
    """Requests that wait for it."""
    weight: int
    repeated: int
    """Tries that failed here and were repeated, here or elsewhere; since HAProxy's start."""


def parse_servers(text: str) -> dict[str, dict[str, ServerStat]]:
    """Servers by backend and name, from the answer to SERVERS. Raises RuntimeAnswerError."""
    found: dict[str, dict[str, ServerStat]] = {}
    for row in _rows(text):
        found.setdefault(row.pxname, {})[row.svname] = _server(row)
    return found


def parse_queues(text: str) -> dict[str, int]:
    """Requests that wait for any server, by backend: the answer to PROXIES. Raises RuntimeAnswerError."""
    return {row.pxname: _number(row.qcur) for row in _rows(text) if row.svname == "BACKEND"}


def parse_arrivals(text: str) -> dict[str, int]:
    """Requests since HAProxy's start, by frontend: the answer to PROXIES. Raises RuntimeAnswerError."""
    return {row.pxname: _number(row.req_tot) for row in _rows(text) if row.svname == "FRONTEND"}


def lasting_state(text: str) -> list[list[str]]:
    """What counts in the answer to STATE: not how long it has been so, nor whether a check is under way."""
    rows = (line.split(" ") for line in text.splitlines())
    return [row[:_SINCE] + row[_SINCE + 1 : _CHECKING] + row[_CHECKING + 1 :] for row in rows]


def parse_info(text: str) -> dict[str, str]:
    """The answer to `show info`."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def parse_map(text: str) -> dict[str, str]:
    """Values by key, from the answer to `show map <path>`: an address, the key, the value in each line."""
    fields = (line.split() for line in text.splitlines())
    return {row[1]: row[2] for row in fields if len(row) == 3}


def parse_map_file(text: str) -> dict[str, str]:
    """Values by key, from the file of a map: key and value in each line, comments behind #."""
    fields = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {row[0]: row[1] for row in fields if len(row) == 2}


def set_weight(backend: str, server: str, weight: int) -> str:
    """The weight of a server, 0 to 256; 0 gives it nothing new."""
    return f"set weight {backend}/{server} {weight}"


def set_health_up(backend: str, server: str) -> str:
    """Counts as up until checks have failed anew."""
    return f"set server {backend}/{server} health up"


def set_map(path: str, key: str, value: str) -> str:
    """An entry that exists gets a value."""
    return f"set map {path} {key} {value}"


def batches(commands: Iterable[str]) -> Iterator[str]:
    """Commands joined to as few lines as HAProxy's buffer allows."""
    line = ""
    for command in commands:
        if line and len(line) + 1 + len(command) > MAX_COMMAND:
            yield line
            line = ""
        line = f"{line};{command}" if line else command
    if line:
        yield line


def _rows(text: str) -> Iterator[Row]:
    """The wanted columns of each line. What a server has said may stand between quotes."""
    lines = csv.reader(text.splitlines(keepends=True))
    header = next(lines, [])
    try:
        columns = [header.index(name) for name in _COLUMNS]
    except ValueError as error:
        raise RuntimeAnswerError(f"not statistics: {text[:80].strip()!r}") from error
    for line in lines:
        if len(line) > columns[-1]:
            yield Row(*[line[column] for column in columns])


def _server(row: Row) -> ServerStat:
    checking = row.check_status
    up = row.status.startswith(("UP", "DRAIN", "no check"))
    good = checking.lstrip("* ") in _GOOD_CHECKS
    return ServerStat(
        address=None if row.status.startswith("MAINT") else row.addr or None,
        up=up,
        sound=up and good and "/" not in row.status and not checking.startswith("*"),
        check_failed=not good,
        active=_number(row.scur),
        queued=_number(row.qcur),
        weight=_number(row.uweight),
        # One that is repeated elsewhere is in both.
        repeated=max(_number(row.wretr), _number(row.wredis)),
    )


def _number(text: str) -> int:
    return int(text) if text else 0
