"""The commands for RAGDeployments in a cluster: status, explain, wait, rollout."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.text import Text

from ragops.cli.client import Client, Object, Target, connected
from ragops.cli.completion import rag_names, service_names
from ragops.cli.explain import explain as explained
from ragops.cli.failure import Failure, UnknownNameFailure
from ragops.cli.output import paragraphs, show, terminal, utc_now
from ragops.cli.rollout import asked_for, describe, order, revision
from ragops.cli.status import as_json, render
from ragops.cli.system import read
from ragops.cli.times import duration, parse_duration
from ragops.cli.undo import Undo
from ragops.cli.undo import undo as way_back
from ragops.cli.wait import FORMS, Deleted, is_met, parse_goal, why_not
from ragops.cli.watching import Watching
from ragops.cluster.errors import ConflictError
from ragops.orchestration.rollout_case import Command

FAILED: Final = 1
TIMED_OUT: Final = 3
"""Exit status of `wait` at its timeout; 2 is wrong use."""
ATTEMPTS: Final = 5
"""At a change while the operator writes status."""


class StatusFormat(StrEnum):
    """What `status` prints."""

    TEXT = "text"
    JSON = "json"


_Name = Annotated[str, typer.Argument(help="Name of the RAGDeployment.", autocompletion=rag_names)]
_Service = Annotated[str, typer.Argument(help="Name of the service.", autocompletion=service_names)]
_AnyService = Annotated[
    str | None, typer.Argument(help="Name of a service. Default: all.", autocompletion=service_names)
]
_Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Default: the one of the context.")]
_Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig. Default: the current one.")]
_Kubeconfig = Annotated[Path | None, typer.Option(help="Default: $KUBECONFIG, or ~/.kube/config.")]
_Result = TypeVar("_Result")

rollout = typer.Typer(help="Rollouts of the services of a RAGDeployment.", no_args_is_help=True)


def status(
    name: _Name,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow until Ctrl-C.")] = False,
    output: Annotated[
        StatusFormat, typer.Option("--output", "-o", help="text, or json for programs.")
    ] = StatusFormat.TEXT,
    namespace: _Namespace = None,
    context: _Context = None,
    kubeconfig: _Kubeconfig = None,
) -> None:
    """Show conditions and services, as a tree along their dependencies."""
    target, as_data = Target(kubeconfig, context, namespace), output is StatusFormat.JSON

    async def once(client: Client) -> None:
        system, console = read(await client.get(name)), terminal()
        if as_data:
            typer.echo(json.dumps(as_json(system), indent=2))
        else:
            show(console, render(system, utc_now(), console.width))

    if not watch:
        _run(once, target)
        return
    with suppress(KeyboardInterrupt):
        _run(Watching(name, as_data).run, target)


def explain(
    name: _Name,
    service: _AnyService = None,
    namespace: _Namespace = None,
    context: _Context = None,
    kubeconfig: _Kubeconfig = None,
) -> None:
    """Say why a service is not ready, is degraded, was scaled or not, and what comes next."""

    async def work(client: Client) -> None:
        system = read(await client.get(name))
        console = terminal()
        for section in explained(system, service, utc_now()):
            show(console, [Text(section.title, "bold")])
            show(console, paragraphs(section.lines, console.width))

    _run(work, Target(kubeconfig, context, namespace))


def wait(
    name: _Name,
    for_: Annotated[str, typer.Option("--for", help=f"{FORMS}.")] = "condition=Ready",
    timeout: Annotated[str, typer.Option(help="Such as 90s, 5m, 1h30m; 0: look once.")] = "5m",
    namespace: _Namespace = None,
    context: _Context = None,
    kubeconfig: _Kubeconfig = None,
) -> None:
    """Wait until a condition holds, a rollout is done or the object is gone.

    Exit status: 0 when it has come, 1 when it cannot come or cannot be known, 3 at the timeout.
    """
    try:
        goal, limit = parse_goal(for_), parse_duration(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error

    async def work(client: Client) -> bool:
        seen: Object | None = None
        trouble: str | None = None

        def lost(message: str | None) -> None:
            nonlocal trouble
            trouble = message

        async def come() -> None:
            nonlocal seen
            async for seen in follow:
                if is_met(goal, read(seen) if seen else None):
                    return

        async with aclosing(client.follow(name, lost)) as follow:
            # The first look is not bound by the timeout: it tells what is wrong with the question.
            try:
                seen = await anext(follow)
            except UnknownNameFailure:
                if not isinstance(goal, Deleted):
                    raise
            try:
                if not is_met(goal, read(seen) if seen else None):
                    await asyncio.wait_for(come(), limit.total_seconds())
            except TimeoutError:
                assert seen is not None
                why = trouble or why_not(goal, read(seen))
                typer.echo(f"error: not within {duration(limit)}: {goal} ({name}): {why}", err=True)
                return False
        typer.echo(f"{name}: {goal}")
        return True

    if not _run(work, Target(kubeconfig, context, namespace)):
        raise typer.Exit(TIMED_OUT)


@rollout.command("status")
def rollout_status(
    name: _Name,
    service: _AnyService = None,
    namespace: _Namespace = None,
    context: _Context = None,
    kubeconfig: _Kubeconfig = None,
) -> None:
    """Show where the rollouts are, what they wait for, and the right next command."""

    async def work(client: Client) -> None:
        system, console = read(await client.get(name)), terminal()
        views = [view for view in system.services if view.status and view.status.rollout]
        if service:
            views = [system.service(service)]
        for view in views:
            show(console, [Text(view.name, "bold")])
            show(console, paragraphs(describe(system, view, utc_now()), console.width))
        if not views:
            typer.echo(f"no service of {name} has a rollout under way")

    _run(work, Target(kubeconfig, context, namespace))


@rollout.command()
def promote(
    name: _Name,
    service: _Service,
    namespace: _Namespace = None,
    context: _Context = None,
    kubeconfig: _Kubeconfig = None,
) -> None:
    """Go on with the rollout under way, to its end, without further judgement."""
    _ask(name, service, Command.PROMOTE, Target(kubeconfig, context, namespace))


@rollout.command()
def abort(
    name: _Name,
    service: _Service,
    namespace: _Namespace = None,
    context: _Context = None,
    kubeconfig: _Kubeconfig = None,
) -> None:
    """Stop the rollout under way: the old version serves again. The spec stays as it is."""
    _ask(name, service, Command.ABORT, Target(kubeconfig, context, namespace))


@rollout.command()
def undo(
    name: _Name,
    service: _Service,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would change.")] = False,
    namespace: _Namespace = None,
    context: _Context = None,
    kubeconfig: _Kubeconfig = None,
) -> None:
    """Set the spec of a service back to the version before: its stable one during a rollout."""

    async def work(client: Client) -> None:
        told: Undo | None = None
        for _ in range(ATTEMPTS):
            system = read(await client.get(name))
            back = way_back(system, service)
            if told is None:
                typer.echo(f"{service} of {name} goes back to version {revision(back.revision)}:")
                typer.echo("\n".join(f"  {change}" for change in back.changes))
            elif (told.revision, told.changes) != (back.revision, back.changes):
                raise Failure(
                    f"{name} was changed meanwhile, so nothing was undone; look at it and try again"
                )
            told = back
            try:
                await client.patch(dict(system.raw), back.patch, dry_run)
            except ConflictError:
                continue
            follow = f"follow it with: kubectl rag rollout status {name} {service}"
            typer.echo("nothing was changed: dry run" if dry_run else f"the spec is changed; {follow}")
            return
        raise _busy(name)

    _run(work, Target(kubeconfig, context, namespace))


def _ask(name: str, service: str, verb: Command, target: Target) -> None:
    async def work(client: Client) -> None:
        told: dict[str, str] | None = None
        for _ in range(ATTEMPTS):
            system = read(await client.get(name))
            annotation = order(system, service, verb)
            if told not in (None, annotation):
                raise Failure(f"another rollout of {service} has begun meanwhile; look at it and try again")
            told = annotation
            try:
                if asked_for(system, service) is not verb:
                    await client.patch(dict(system.raw), {"metadata": {"annotations": annotation}}, False)
            except ConflictError:
                continue
            (value,) = annotation.values()
            when = "once spec.paused is false" if system.paused else "as soon as it can"
            what = f"{verb} version {revision(value.partition(':')[2])} of {service}"
            typer.echo(f"the operator is asked to {what}, and does so {when}")
            typer.echo(f"follow it with: kubectl rag rollout status {name} {service}")
            return
        raise _busy(name)

    _run(work, target)


def _busy(name: str) -> Failure:
    return Failure(f"{name} changed {ATTEMPTS} times at the same time, so nothing was done; try again")


def _run(work: Callable[[Client], Awaitable[_Result]], target: Target) -> _Result:
    """The work with a client; a Failure ends the command with one line."""

    async def connect_and_work() -> _Result:
        async with connected(target) as client:
            return await work(client)

    try:
        return asyncio.run(connect_and_work())
    except Failure as failure:
        typer.echo(f"error: {failure}", err=True)
        raise typer.Exit(FAILED) from failure
