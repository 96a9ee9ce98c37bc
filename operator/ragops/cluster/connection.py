"""Connections to the API server that never deliver late what was sent in time."""

import socket
from typing import Final

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTClientObject

from ragops.cluster.lease import LANDING_SECONDS

_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)
"""Not on macOS, where the operator runs for development only."""


class _Connections(RESTClientObject):
    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=self.maxsize, ssl=self.ssl_context, socket_factory=_open)


def _open(address: aiohttp.AddrInfoType) -> socket.socket:
    """RFC 5482: what the other side has not confirmed by then is dropped, and the connection with it.

    Without it the kernel goes on sending for a quarter of an hour, closed connection or not: after a
    partition the write of an old leader would arrive long after another one has taken over.
    """
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    if _USER_TIMEOUT is not None:
        opened.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, LANDING_SECONDS * 1000)
    return opened


def connected(configuration: Configuration) -> ApiClient:
    """A client of the API server."""
    api = ApiClient(configuration)
    api.rest_client = _Connections(configuration)
    return api
