"""The names that operator and agent share: in HAProxy's configuration, and of the content of files."""

import hashlib
from typing import Final

from ragops.resources.variant import Variant

SERVER_PREFIX: Final = "pod"
SERVER_WEIGHT: Final = 100
"""The weight of a server that nobody has changed. HAProxy's weights go from 0 to 256: there is room on both
sides."""


def frontend_name(service: str) -> str:
    """The frontend of a service. A request refused before it got a backend is logged with this name."""
    return service


def backend_name(service: str, variant: Variant) -> str:
    """A backend of a service. Names of services have no dot."""
    return f"{service}.{variant.value}"


def parse_backend(name: str) -> tuple[str, Variant] | None:
    """The service and the variant of a backend; None for every other name."""
    service, _, variant = name.rpartition(".")
    if not service or variant not in tuple(Variant):
        return None
    return service, Variant(variant)


def server_name(slot: int) -> str:
    """The server in a slot, counted from 1, of a backend."""
    return f"{SERVER_PREFIX}{slot}"


def digest(text: str) -> str:
    """A short name of a content."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]
