"""What the gateway answers itself: JSON of the same shape as the errors of the services."""

import json
from dataclasses import dataclass
from typing import Final

RETRY_AFTER_SECONDS: Final = 1
REQUEST_ID: Final = "txn.request_id"
"""The variable with the request's id. Made of signs that need no escape in JSON."""


@dataclass(frozen=True)
class Refusal:
    """An answer that comes from the gateway and from no pod."""

    status: int
    code: str
    message: str
    retry: bool = False
    """Whether the same request may succeed later."""

    def directive(self) -> str:
        """What HAProxy answers whenever it comes to this status by itself."""
        return f"http-error {self._answer()}"

    def rule(self, condition: str) -> str:
        """The rule that answers this for the requests that the condition is true for."""
        return f"http-request return {self._answer()} if {condition}"

    def _answer(self) -> str:
        error = {"code": self.code, "message": self.message, "request_id": f"%[var({REQUEST_ID})]"}
        body = json.dumps({"error": error})
        retry = f" hdr Retry-After {RETRY_AFTER_SECONDS}" if self.retry else ""
        return f"status {self.status} content-type application/json lf-string '{body}'{retry}"


QUEUE_FULL: Final = Refusal(
    503, "queue_full", "all pods are busy and as many requests wait as may; try again", retry=True
)
RATE_LIMITED: Final = Refusal(
    429, "rate_limited", "this client sends too many requests; try again", retry=True
)

REFUSALS: Final = (
    Refusal(400, "invalid_request", "the request is not valid HTTP"),
    Refusal(408, "request_timeout", "the request did not arrive in time"),
    Refusal(500, "gateway_error", "the gateway could not handle the request"),
    Refusal(502, "bad_gateway", "the pod gave no valid answer"),
    Refusal(503, "unavailable", "no pod could take the request in time; try again", retry=True),
    Refusal(504, "gateway_timeout", "the pod did not answer in time"),
)
"""Every status that HAProxy answers on its own with this configuration."""
