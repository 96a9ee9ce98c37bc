"""Settings of the operator process, from its environment."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from ragops.cluster.lease import Lease
from ragops.resources.pod import Images


class SettingsError(ValueError):
    """An environment variable is missing or wrong."""


@dataclass(frozen=True)
class Settings:
    """What the operator is told at its start; see charts/ragops/templates/deployment.yaml."""

    images: Images
    namespaces: tuple[str, ...]
    """Watched namespaces; empty: all."""
    leader_election: bool
    identity: str
    lease: Lease
    port: int
    log_level: str
    log_json: bool


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Reads the environment. Raises SettingsError with the name of the variable."""
    level = environ.get("RAGOPS_LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise SettingsError(f"RAGOPS_LOG_LEVEL is {level.lower()!r}: use debug, info, warning or error")
    return Settings(
        images=Images(
            services=_required(environ, "RAGOPS_IMAGE_SERVICES"),
            postgres=_required(environ, "RAGOPS_IMAGE_POSTGRES"),
        ),
        namespaces=_names(environ.get("RAGOPS_WATCH_NAMESPACES", "")),
        leader_election=_flag(environ, "RAGOPS_LEADER_ELECT", default=True),
        identity=environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        lease=Lease(
            namespace=environ.get("POD_NAMESPACE", "ragops-system"),
            name=environ.get("RAGOPS_LEASE_NAME", "ragops-leader"),
        ),
        port=_port(environ),
        log_level=level,
        log_json=_log_format(environ) == "json",
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set: give the image that services of this kind run by default")
    return value


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _flag(environ: Mapping[str, str], name: str, default: bool) -> bool:
    text = environ.get(name, str(default)).lower()
    if text not in ("true", "false"):
        raise SettingsError(f"{name} is {text!r}: use true or false")
    return text == "true"


def _log_format(environ: Mapping[str, str]) -> str:
    text = environ.get("RAGOPS_LOG_FORMAT", "text")
    if text not in ("text", "json"):
        raise SettingsError(f"RAGOPS_LOG_FORMAT is {text!r}: use text or json")
    return text


def _port(environ: Mapping[str, str]) -> int:
    text = environ.get("RAGOPS_PORT", "8080")
    if not text.isdigit() or int(text) > 65535:
        raise SettingsError(f"RAGOPS_PORT is {text!r}: use a TCP port from 0 (any free one) to 65535")
    return int(text)
