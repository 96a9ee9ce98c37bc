"""`kubectl rag status --watch`: a live page on a terminal; in a pipe, a page or a JSON line a change."""

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Final

import typer
from rich.live import Live
from rich.text import Text

from ragops.cli.client import Client, Object
from ragops.cli.failure import Failure
from ragops.cli.output import readable, show, terminal, utc_now
from ragops.cli.status import as_json, render
from ragops.cli.system import System, read
from ragops.cli.text import wrapped
from ragops.cli.times import clock

REFRESHES_PER_SECOND: Final = 2
"""Of a live page, whose ages go on."""


class Watching:
    """One RAGDeployment, as it changes."""

    def __init__(self, name: str, as_data: bool) -> None:
        self._name = name
        self._as_data = as_data
        self._console = terminal()
        self._system: System | None = None
        self._seen_at = utc_now()
        self._lost: str | None = None

    async def run(self, client: Client) -> None:
        """Until it is cancelled. Raises Failure when the object is deleted."""
        async with aclosing(client.follow(self._name, self._note)) as changes:
            if not self._console.is_terminal or self._as_data:
                await self._take(changes, self._append)
                return
            live = Live(
                console=self._console, get_renderable=self._page, refresh_per_second=REFRESHES_PER_SECOND
            )
            with live:
                await self._take(changes, live.refresh)

    async def _take(self, changes: AsyncIterator[Object | None], appear: Callable[[], None]) -> None:
        async for obj in changes:
            if obj is None:
                raise Failure(f"{self._name} was deleted")
            self._system, self._seen_at = read(obj), utc_now()
            appear()

    def _note(self, lost: str | None) -> None:
        """The live page tells it itself."""
        if lost and not self._lost and not self._console.is_terminal:
            typer.echo(f"warning: {lost}; this is tried again", err=True)
        self._lost = lost

    def _page(self) -> Text:
        if self._system is None:
            return Text()
        now, width = utc_now(), self._console.width
        lines = render(self._system, now, width)
        if self._lost:
            told = f"As of {clock(self._seen_at, now)}: {self._lost}"
            lines = [*(Text(line, "red") for line in wrapped(told, width)), *lines]
        return Text("\n").join(readable(self._console, lines))

    def _append(self) -> None:
        assert self._system is not None, "called after a change"
        if self._as_data:
            typer.echo(json.dumps(as_json(self._system)))
        else:
            show(self._console, [*render(self._system, utc_now(), self._console.width), Text()])
        sys.stdout.flush()
