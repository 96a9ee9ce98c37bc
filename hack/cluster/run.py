"""Run external programs and report a failure as one readable error."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.errors import ClusterError


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120,
) -> str:
    """Run a command to its end and return its stdout.

    ``env`` is added to this process' environment; ``timeout`` is in seconds.

    Raises ClusterError, with the end of the output, when the command is missing, fails or takes too long.
    """
    argv = [str(part) for part in command]
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{argv[0]} is not installed (needed for: {shlex.join(argv)})") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"no end after {timeout:.0f} s: {shlex.join(argv)}") from error
    if done.returncode != 0:
        output = (done.stderr.strip() or done.stdout.strip() or "(no output)")[-4000:]
        raise ClusterError(f"exit status {done.returncode} of {shlex.join(argv)}:\n{output}")
    return done.stdout
