"""Configuration from the environment. Every variable starts with RAGOPS_."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
ServiceUrl = AnyHttpUrl

PREFIX = "RAGOPS_"


class SettingsError(Exception):
    """The environment is not a valid configuration; the message names each variable and what is wrong."""


def default_model_dir() -> Path:
    """Where development environments keep the embedding model; images set RAGOPS_MODEL_DIR."""
    cache = os.environ.get("RAGOPS_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ragops"
    )
    return Path(cache) / "model" / "all-MiniLM-L6-v2"


class ServiceSettings(BaseSettings):
    """What every service can be told."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    host: str = "0.0.0.0"
    port: Port = 8080
    rag: str = "local"
    service: str = ""  # name in the RAGDeployment, for logs; empty: the type's name
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # After SIGTERM: how long to answer on while endpoints and proxies take note, and then how long requests
    # under way may take. Their sum must stay below the pod's terminationGracePeriodSeconds.
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 3.0
    stop_seconds: Annotated[int, Field(ge=1, le=600)] = 20
    # Requests worked on at once, and requests that may wait for their turn before 429 is answered.
    max_concurrency: Annotated[int, Field(ge=1, le=10000)] = 64
    max_queue: Annotated[int, Field(ge=0, le=100000)] = 512


class DatabaseSettings(ServiceSettings):
    """For services that use PostgreSQL."""

    database_host: str
    database_port: Port = 5432
    database_name: str = "rag"
    database_user: str = "rag"
    database_password: SecretStr
    database_connections: Annotated[int, Field(ge=1, le=100)] = 8
    database_timeout_seconds: Seconds = 10.0


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def load_settings(cls: type[SettingsT]) -> SettingsT:
    """Reads the environment. Raises SettingsError naming every variable that is missing or wrong."""
    try:
        return cls()
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        raise SettingsError("\n  ".join(["invalid configuration", *map(_problem_line, problems)])) from error


def _problem_line(problem: ErrorDetails) -> str:
    message = "not set; this service needs it" if problem["type"] == "missing" else problem["msg"]
    message = message.removeprefix("Value error, ")
    if not problem["loc"]:  # of several variables, which the message names
        return message
    return f"{PREFIX}{str(problem['loc'][0]).upper()}: {message}"
