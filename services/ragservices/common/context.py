"""The request id, carried through everything that happens for one request."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar

REQUEST_ID_HEADER = "x-request-id"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """Id of the request under way; empty outside a request."""
    return _request_id.get()


def enter_request(offered: str | None) -> str:
    """Takes over the caller's request id when it is well-formed, else makes one. Returns the id now in
    force."""
    accepted = offered if offered and _ACCEPTABLE.fullmatch(offered) else uuid.uuid4().hex
    _request_id.set(accepted)
    return accepted
