"""Put a cluster's context into the user's kubeconfig, and take it out again.

Only entries that carry this tool's mark are ever replaced or removed.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.run import run
from cluster.state import Place, write_atomically

_MARK = "ragops.dev/local-cluster"
_LOCK_SECONDS = 10.0
Entry = dict[str, Any]


def context_name(name: str) -> str:
    """The name of a cluster's context, cluster and user entries."""
    return f"ragops-{name}"


def user_file() -> Path:
    """The file kubectl writes to: the first of $KUBECONFIG, else ~/.kube/config."""
    listed = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return Path(listed[0]).expanduser().absolute() if listed else Path.home() / ".kube" / "config"


def merge(place: Place, kubectl: Path) -> Path:
    """Add the cluster to the user's kubeconfig and make it the current context; returns the file.

    Does not write when nothing would change. Raises ClusterError when an entry of the same name is not ours.
    """
    path = user_file()
    with _locked(path):
        config = _read(path, kubectl)
        before = json.dumps(config)
        name = context_name(place.name)
        _refuse_foreign(config, name, path)
        _drop(config, name)
        _add(config, name, place)
        if json.dumps(config) != before:
            _write(path, config, kubectl)
    return path


def check(place: Place, kubectl: Path) -> None:
    """Raise ClusterError when merge() would, before anything has been started."""
    path = user_file()
    _refuse_foreign(_read(path, kubectl), context_name(place.name), path)


def mentions(place: Place) -> bool:
    """Whether the user's kubeconfig may have entries of the cluster."""
    path = user_file()
    return path.exists() and context_name(place.name) in path.read_text()


def unmerge(place: Place, kubectl: Path) -> bool:
    """Remove the cluster's entries from the user's kubeconfig; returns whether there were any of ours."""
    path, name = user_file(), context_name(place.name)
    with _locked(path):
        config = _read(path, kubectl)
        if not _is_ours(config, name):
            return False
        _drop(config, name)
        if config.get("current-context") == name:
            config["current-context"] = ""
        _write(path, config, kubectl)
    return True


def _entries(config: Entry, kind: str) -> list[Entry]:
    entries: list[Entry] = config.get(kind) or []
    return entries


def _is_ours(config: Entry, name: str) -> bool:
    return any(
        extension.get("name") == _MARK
        for entry in _entries(config, "contexts")
        if entry["name"] == name
        for extension in entry["context"].get("extensions") or []
    )


def _refuse_foreign(config: Entry, name: str, path: Path) -> None:
    if _is_ours(config, name):
        return
    for kind in ("contexts", "clusters", "users"):
        if any(entry["name"] == name for entry in _entries(config, kind)):
            raise ClusterError(
                f"{path} has an entry {name!r} under {kind} that this tool did not make. Rename or remove it "
                "(kubectl config rename-context, delete-context, delete-cluster, delete-user), choose "
                "another cluster name with --name, or leave that file alone with --no-merge."
            )


def _drop(config: Entry, name: str) -> None:
    for kind in ("contexts", "clusters", "users"):
        config[kind] = [entry for entry in _entries(config, kind) if entry["name"] != name]


def _add(config: Entry, name: str, place: Place) -> None:
    own = json.loads(place.kubeconfig.read_text())
    mark = {"name": _MARK, "extension": {"state": str(place.root)}}
    context = {"cluster": name, "user": name, "extensions": [mark]}
    config["clusters"].append({"name": name, "cluster": own["clusters"][0]["cluster"]})
    config["users"].append({"name": name, "user": own["users"][0]["user"]})
    config["contexts"].append({"name": name, "context": context})
    config["current-context"] = name


def _read(path: Path, kubectl: Path) -> Entry:
    if not path.exists() or not path.read_text().strip():
        return {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    content: Entry = json.loads(run([kubectl, "config", "view", "--raw", "-o", "json", "--kubeconfig", path]))
    return content


def _write(path: Path, config: Entry, kubectl: Path) -> None:
    """Replace the file in one step, as YAML that kubectl wrote, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, as relative paths in the file are relative to its folder.
    unformatted = path.with_name(f".{path.name}.{os.getpid()}.json")
    write_atomically(unformatted, json.dumps(config))
    try:
        text = run([kubectl, "config", "view", "--raw", "-o", "yaml", "--kubeconfig", unformatted])
    finally:
        unformatted.unlink()
    write_atomically(path.resolve(), text)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock that kubectl takes, too, before it changes a kubeconfig."""
    lock = path.with_name(f"{path.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
            break
        except FileExistsError as error:
            if time.monotonic() > end:
                raise ClusterError(
                    f"{lock} has been there for {_LOCK_SECONDS:.0f} s: another program is changing {path} "
                    "or was killed doing so. If none is running, remove the lock file and try again."
                ) from error
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
