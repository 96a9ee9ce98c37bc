"""Ask whether something answers."""

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; ``status`` 0 means that none came and ``body`` says why."""

    status: int
    body: str

    @property
    def ok(self) -> bool:
        """Whether the request was fulfilled."""
        return 200 <= self.status < 300


def request(
    url: str,
    authority: Path,
    *,
    token: str = "",
    method: str = "GET",
    body: str | None = None,
    timeout: float = 5,
) -> Answer:
    """Make one HTTPS request; ``timeout`` is in seconds. Never raises for what the network or server does."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    outgoing = urllib.request.Request(url, body.encode() if body else None, headers, method=method)
    # No proxy of the environment: the cluster is on this machine.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(authority))),
    )
    try:
        with opener.open(outgoing, timeout=timeout) as response:
            return Answer(response.status, response.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, str(error))


def answers(target: str, authority: Path) -> bool:
    """Whether a component's ``ready`` target answers: an https URL, tcp://HOST:PORT or unix:PATH."""
    if target.startswith("https://"):
        return request(target, authority, timeout=2).ok
    if target.startswith("unix:"):
        family, address = socket.AF_UNIX, target.removeprefix("unix:")
        return _connects(family, address)
    host, _, port = target.removeprefix("tcp://").rpartition(":")
    return _connects(socket.AF_INET, (host, int(port)))


def _connects(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as client:
        client.settimeout(2)
        try:
            client.connect(address)
        except OSError:
            return False
        return True
