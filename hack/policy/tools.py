"""The two tools that judge Kubernetes objects, as functions that raise ClusterError on a finding."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml
from cluster.binaries import programs
from cluster.errors import ClusterError
from cluster.run import run

from policy.render import ROOT
from policy.schemas import write_schemas

_FOLDER: Final = Path(__file__).resolve().parent
_SCHEMA_FILE: Final = "{{.ResourceKind}}{{.KindSuffix}}.json"
_KUBERNETES: Final = "v1.36"
"""The version whose deprecations kube-score warns of."""
_WARNING: Final = 5
"""kube-score's grade of a warning; a critical finding has a lower one."""
_OPTIONAL_CHECKS: Final = ("container-ports-check", "container-seccomp-profile")


class Conform:
    """kubeconform: every object against the JSON schema of its kind; unknown kinds and fields are errors."""

    def __init__(self, schemas: Path) -> None:
        self._folders = (schemas, _FOLDER / "schemas")

    @classmethod
    @contextmanager
    def with_schemas(cls) -> Iterator["Conform"]:
        """A kubeconform with schemas of Kubernetes and of the CRDs, which are removed afterwards."""
        with tempfile.TemporaryDirectory(prefix="ragops-schemas-") as folder:
            write_schemas(Path(folder), ROOT / "crds")
            yield cls(Path(folder))

    def __call__(self, text: str) -> None:
        """Check YAML documents, of which there must be at least one."""
        if not any(yaml.safe_load_all(text)):
            raise ClusterError("there is no object to check")
        locations = (part for folder in self._folders for part in ("-schema-location", folder / _SCHEMA_FILE))
        run([programs(["kubeconform"])["kubeconform"].path, "-strict", *locations, "-"], stdin=text)


def score(text: str, scope: str) -> None:
    """Run kube-score over YAML documents; a warning is a failure too.

    `scope` names the section of kube-score-ignore.yaml whose exceptions apply, beside those for everything.
    """
    exceptions = yaml.safe_load((_FOLDER / "kube-score-ignore.yaml").read_text())
    command = [
        *(str(programs(["kube-score"])["kube-score"].path), "score", "-"),
        *("--output-format", "json", "--kubernetes-version", _KUBERNETES),
        *(f"--enable-optional-test={check}" for check in _OPTIONAL_CHECKS),
        *(exceptions["everywhere"] | exceptions.get(scope, {})),
    ]
    # Not cluster.run: findings come on stdout together with exit status 1.
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    try:
        findings = sorted(_findings(json.loads(done.stdout)))
    except json.JSONDecodeError as error:
        raise ClusterError(f"kube-score failed: {done.stderr.strip() or done.stdout.strip()}") from error
    if findings:
        raise ClusterError("\n".join(findings))


def _findings(objects: list[dict[str, Any]] | None) -> Iterator[str]:
    for scored in objects or ():
        name = f"{scored['type_meta']['kind']} {scored['object_meta']['name']}"
        for result in scored["checks"]:
            if not result["skipped"] and result["grade"] <= _WARNING:
                said = [_sentence(comment) for comment in result["comments"] or ()]
                yield f"{name}: {result['check']['id']}: {' '.join(said)}"


def _sentence(comment: dict[str, str]) -> str:
    where = f"container {comment['path']}: " if comment["path"] else ""
    said = [text.rstrip(".") for text in (comment["summary"], comment["description"]) if text]
    return f"{where}{'. '.join(said)}."
