"""Running other programs, with their output indented under the step that they belong to."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class DemoError(Exception):
    """The demo cannot go on; the message says what to do."""


def stream(*command: str | Path, env: Mapping[str, str] | None = None) -> None:
    """Runs a program in the project's folder, its output indented. Raises DemoError when it fails."""
    arguments = [str(part) for part in command]
    with subprocess.Popen(
        arguments,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(f"   {line.rstrip()}", flush=True)
    if process.returncode:
        raise DemoError(f"this command failed: {' '.join(arguments)}")


def capture(*command: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Runs a program and returns what it printed. Raises DemoError with its error output when it fails."""
    arguments = [str(part) for part in command]
    done = subprocess.run(
        arguments, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DemoError(f"this command failed: {' '.join(arguments)}\n{done.stderr.strip()}")
    return done.stdout


@contextmanager
def step(title: str) -> Iterator[None]:
    """A titled step with its duration."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"{bold}-- {title}{plain}", flush=True)
    started = time.monotonic()
    yield
    print(f"   done in {time.monotonic() - started:.1f} s", flush=True)
