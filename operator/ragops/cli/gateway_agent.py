"""The command `ragops gateway-agent`: runs beside HAProxy in the pods of a gateway."""

import asyncio
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from ragops.cli.log import log_to_stderr
from ragops.gateway.layout import Layout

_DEFAULT = Layout()


class LogLevel(StrEnum):
    """From which level on something is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """json: an object a line."""

    TEXT = "text"
    JSON = "json"


def command(
    config: Annotated[Path, typer.Option(help="Folder with the operator's files.")] = Path(_DEFAULT.config),
    run: Annotated[Path, typer.Option(help="Folder with HAProxy's sockets.")] = Path(_DEFAULT.run),
    tls: Annotated[Path, typer.Option(help="Folder with tls.crt.")] = Path(_DEFAULT.tls),
    log_port: Annotated[int, typer.Option(help="UDP port for HAProxy's log.")] = _DEFAULT.log_port,
    alarm_port: Annotated[int, typer.Option(help="UDP port for its errors.")] = _DEFAULT.alarm_port,
    log_level: Annotated[LogLevel, typer.Option(envvar="RAGOPS_LOG_LEVEL")] = LogLevel.INFO,
    log_format: Annotated[LogFormat, typer.Option(envvar="RAGOPS_LOG_FORMAT")] = LogFormat.TEXT,
    port: Annotated[int, typer.Option(help="TCP port of health, metrics, figures.")] = _DEFAULT.agent_port,
) -> None:
    """Set weights, watch the configuration and tell figures of the HAProxy in the same pod."""
    from ragops.agent.run import run as run_agent  # aiohttp takes long to import

    log_to_stderr(log_level.upper(), log_format is LogFormat.JSON)
    layout = Layout(
        config=PurePosixPath(config),
        run=PurePosixPath(run),
        tls=PurePosixPath(tls),
        log_port=log_port,
        alarm_port=alarm_port,
        agent_port=port,
    )
    asyncio.run(run_agent(layout))
