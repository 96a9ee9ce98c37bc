"""Settings of the operator process, from its environment."""

import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ragops.api.base import HOST_NAME, HTTP_URL
from ragops.cluster.lease import Lease
from ragops.orchestration.plan import CLUSTER_DOMAIN
from ragops.resources.pod import Images

DECISION_LOG_MAX_BYTES: Final = 64 * 2**20
DECISION_LOG_LEAST_BYTES: Final = 4 * 2**20
"""A file that is full after a few decisions would be rotated all the time."""


class ScrapeWay(StrEnum):
    """How the operator reaches the pods' metrics."""

    AUTO = "auto"
    DIRECT = "direct"
    PROXY = "proxy"


class SettingsError(ValueError):
    """An environment variable is missing or wrong."""


@dataclass(frozen=True)
class Settings:
    """What the operator is told at its start; see charts/ragops/templates/deployment.yaml."""

    images: Images
    cluster_domain: str
    """Of the cluster's DNS."""
    namespaces: tuple[str, ...]
    """Watched namespaces; empty: all."""
    leader_election: bool
    identity: str
    lease: Lease
    port: int
    log_level: str
    log_json: bool
    decision_log: str | None
    """File of the decision log, or - for standard output; None: it is off."""
    decision_log_max_bytes: int
    """Size at which the file is replaced by a new one; one old file is kept."""
    scrape: ScrapeWay
    """How to reach the pods' metrics. Auto: directly in the cluster, through the pod proxy outside."""
    prometheus_url: str | None
    """Server for the metrics that have a query."""


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Reads the environment. Raises SettingsError with the name of the variable."""
    level = environ.get("RAGOPS_LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise SettingsError(f"RAGOPS_LOG_LEVEL is {level.lower()!r}: use debug, info, warning or error")
    return Settings(
        images=Images(
            services=_required(environ, "RAGOPS_IMAGE_SERVICES"),
            postgres=_required(environ, "RAGOPS_IMAGE_POSTGRES"),
            haproxy=_required(environ, "RAGOPS_IMAGE_HAPROXY"),
            operator=_required(environ, "RAGOPS_IMAGE_OPERATOR"),
        ),
        cluster_domain=_domain(environ),
        namespaces=_names(environ.get("RAGOPS_WATCH_NAMESPACES", "")),
        leader_election=_flag(environ, "RAGOPS_LEADER_ELECT", default=True),
        identity=environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        lease=Lease(
            namespace=environ.get("POD_NAMESPACE", "ragops-system"),
            name=environ.get("RAGOPS_LEASE_NAME", "ragops-leader"),
        ),
        port=_port(environ),
        log_level=level,
        log_json=_choice(environ, "RAGOPS_LOG_FORMAT", ("text", "json")) == "json",
        scrape=ScrapeWay(_choice(environ, "RAGOPS_SCRAPE", tuple(ScrapeWay))),
        prometheus_url=_url(environ, "RAGOPS_PROMETHEUS_URL"),
        decision_log=environ.get("RAGOPS_DECISION_LOG") or None,
        decision_log_max_bytes=_max_bytes(environ),
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set: give the image that pods of this kind run by default")
    return value


def _domain(environ: Mapping[str, str]) -> str:
    text = environ.get("RAGOPS_CLUSTER_DOMAIN") or CLUSTER_DOMAIN
    if not re.fullmatch(HOST_NAME, text):
        raise SettingsError(f"RAGOPS_CLUSTER_DOMAIN is {text!r}: use a domain such as {CLUSTER_DOMAIN}")
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _flag(environ: Mapping[str, str], name: str, default: bool) -> bool:
    text = environ.get(name, str(default)).lower()
    if text not in ("true", "false"):
        raise SettingsError(f"{name} is {text!r}: use true or false")
    return text == "true"


def _choice(environ: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """One of the choices; the first where there is none."""
    text = environ.get(name) or choices[0]
    if text not in choices:
        raise SettingsError(f"{name} is {text!r}: use {', '.join(choices[:-1])} or {choices[-1]}")
    return text


def _url(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name) or None
    if text is not None and not re.fullmatch(HTTP_URL, text):
        # It may hold a password.
        raise SettingsError(f"{name} is not a URL: use one such as http://prometheus.monitoring:9090")
    return text


def _port(environ: Mapping[str, str]) -> int:
    text = environ.get("RAGOPS_PORT", "8080")
    if not text.isdigit() or int(text) > 65535:
        raise SettingsError(f"RAGOPS_PORT is {text!r}: use a TCP port from 0 (any free one) to 65535")
    return int(text)


def _max_bytes(environ: Mapping[str, str]) -> int:
    text = environ.get("RAGOPS_DECISION_LOG_MAX_BYTES", str(DECISION_LOG_MAX_BYTES))
    if not text.isdecimal() or int(text) < DECISION_LOG_LEAST_BYTES:
        least = DECISION_LOG_LEAST_BYTES
        raise SettingsError(f"RAGOPS_DECISION_LOG_MAX_BYTES is {text!r}: use a number of bytes from {least}")
    return int(text)
