"""Running other programs, with their output indented under the step that they belong to."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class DemoError(Exception):
    """The demo cannot go on; the message says what to do."""


def stream(*command: str | Path) -> None:
    """Runs a program in the project's folder, its output indented. Raises DemoError when it fails."""
    _run(command, lambda line: print(f"   {line}", flush=True), subprocess.STDOUT)


def capture(*command: str | Path, show_errors: bool = False) -> str:
    """Runs a program and returns what it printed. Raises DemoError when it fails.

    `show_errors`: what it says on its error output is progress, shown as it comes.
    """
    lines: list[str] = []
    _run(command, lines.append, None if show_errors else subprocess.STDOUT)
    return "\n".join(lines)


def _run(command: Sequence[str | Path], take: Callable[[str], None], errors: int | None) -> None:
    arguments = [str(part) for part in command]
    with subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            take(last := line.rstrip())
    if process.returncode:
        raise DemoError(f"this command failed: {' '.join(arguments)}\n{last}")


@contextmanager
def step(title: str) -> Iterator[None]:
    """A titled step with its duration."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"{bold}-- {title}{plain}", flush=True)
    started = time.monotonic()
    yield
    print(f"   done in {time.monotonic() - started:.1f} s", flush=True)
