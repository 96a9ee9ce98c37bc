"""`kubectl rag` as users run it: a process of its own, whose output goes into a pipe."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("kubectl-rag")


@dataclass(frozen=True)
class Answer:
    """What a command has said."""

    status: int
    output: str
    errors: str


@dataclass(frozen=True)
class Command:
    """`kubectl rag` in one namespace of one cluster."""

    kubeconfig: Path
    namespace: str
    folder: Path
    """Its home: nothing of the machine's own settings is seen."""

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Answer:
        """Runs it to its end."""
        done = subprocess.run(
            [PROGRAM, *arguments],
            env=self.environment | dict(environment or {}),
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def __call__(self, *arguments: str) -> str:
        """Its output. Fails the test when it does not go well."""
        answer = self.run(*arguments, "--namespace", self.namespace)
        assert answer.status == 0, answer
        return answer.output

    def refused(self, *arguments: str) -> str:
        """The one line that it ends with where it cannot do what is asked."""
        answer = self.run(*arguments, "--namespace", self.namespace)
        assert (answer.status, answer.output) == (1, ""), answer
        return the_error(answer)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts it, to be read from line by line."""
        # A shell that runs the tests in the background lets their processes ignore Ctrl-C.
        heeding = ["env", "--default-signal=INT"]
        return subprocess.Popen(
            [*heeding, PROGRAM, *arguments, "--namespace", self.namespace],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def environment(self) -> dict[str, str]:
        """Its environment variables; the plugin is on the path."""
        path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig)}


def the_error(answer: Answer) -> str:
    """The one line on stderr."""
    assert answer.errors.startswith("error: "), answer
    assert answer.errors.count("\n") == 1, answer
    return answer.errors.removeprefix("error: ").strip()
