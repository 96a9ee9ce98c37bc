"""Entry point of the commands `ragops` and `kubectl rag`."""

import asyncio
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from kubernetes.aio import config

from ragops.cli import commands, gateway_agent, simulate
from ragops.cli.log import log_to_stderr
from ragops.cli.planning import OutputFormat, show_plan
from ragops.cli.replay import show_replay
from ragops.cluster.errors import ClusterError
from ragops.controller.settings import SettingsError, from_environment

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _commands() -> None:
    """One RAGDeployment becomes a whole production RAG system on Kubernetes."""


@app.command()
def operator() -> None:
    """Run the operator. It is configured by its environment; see the Helm chart."""
    from ragops.controller.start import run  # takes as long to import as all the other commands together

    try:
        settings = from_environment()
    except SettingsError as error:
        raise typer.Exit(_fail(str(error))) from error
    log_to_stderr(settings.log_level, settings.log_json)
    try:
        asyncio.run(run(settings))
    except (ClusterError, config.ConfigException) as error:
        raise typer.Exit(_fail(str(error))) from error


@app.command()
def plan(
    file: Annotated[Path, typer.Option("--filename", "-f", help="File with a RAGDeployment, in YAML.")],
    output: Annotated[
        OutputFormat, typer.Option("--output", "-o", help="What to print.")
    ] = OutputFormat.TEXT,
) -> None:
    """Print what the operator would create for a RAGDeployment, without a cluster."""
    try:
        text = file.read_text()
    except OSError as error:
        raise typer.Exit(_fail(f"{file} cannot be read: {error.strerror}")) from error
    try:
        show_plan(text, output, sys.stdout)
    except ValueError as error:
        raise typer.Exit(_fail(str(error))) from error


app.command("gateway-agent")(gateway_agent.command)
app.command("simulate")(simulate.command)
app.command("status")(commands.status)
app.command("explain")(commands.explain)
app.command("wait")(commands.wait)
app.add_typer(commands.rollout, name="rollout")


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Decision log of the operator: see RAGOPS_DECISION_LOG.")],
    service: Annotated[str | None, typer.Option(help="Only services with this name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object, for programs.")] = False,
) -> None:
    """Decide a recorded run again, and tell whether the same inputs give the same decisions."""
    try:
        with file.open(errors="replace") as lines:
            confirmed = show_replay(lines, service, as_json, sys.stdout)
    except OSError as error:
        raise typer.Exit(_fail(f"{file} cannot be read: {error.strerror}")) from error
    except ValueError as error:
        raise typer.Exit(_fail(f"{file}: {error}")) from error
    raise typer.Exit(0 if confirmed else 1)


def _fail(message: str) -> int:
    typer.echo(f"error: {message}", err=True)
    return 1


def main() -> None:
    """Runs the command line."""
    app()


def complete() -> None:
    """`kubectl_complete-rag`: kubectl calls it with the words after `kubectl rag`, the last one incomplete.

    Answers as cobra does: a candidate a line, then what the shell may do beside (4: no file names).
    """
    words = ["kubectl-rag", *sys.argv[1:]]
    os.environ.update(
        _KUBECTL_RAG_COMPLETE="complete_bash", COMP_WORDS=shlex.join(words), COMP_CWORD=str(len(words) - 1)
    )
    try:
        app(prog_name="kubectl-rag")
    finally:
        typer.echo(":4")
