"""Completion of names from the cluster. It is quick or silent: nothing is told here."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import typer

from ragops.cli.client import Client, Target, connected
from ragops.cli.failure import Failure

TIMEOUT_SECONDS: Final = 2.0


def rag_names(context: typer.Context, incomplete: str) -> list[str]:
    """RAGDeployments of the namespace."""
    return _matching(context, Client.names, incomplete)


def service_names(context: typer.Context, incomplete: str) -> list[str]:
    """Services of the RAGDeployment that was named before."""

    async def names(client: Client) -> list[str]:
        rag = await client.get(context.params["name"])
        return [service["name"] for service in rag["spec"]["services"]]

    return _matching(context, names, incomplete)


def _matching(
    context: typer.Context, names: Callable[[Client], Awaitable[list[str]]], incomplete: str
) -> list[str]:
    given = context.params
    kubeconfig = given.get("kubeconfig")
    target = Target(Path(kubeconfig) if kubeconfig else None, given.get("context"), given.get("namespace"))

    async def ask() -> list[str]:
        async with asyncio.timeout(TIMEOUT_SECONDS), connected(target, TIMEOUT_SECONDS) as client:
            return await names(client)

    try:
        return [name for name in asyncio.run(ask()) if name.startswith(incomplete)]
    except (Failure, TimeoutError):
        return []
