"""Build the cluster's programs from pinned Go modules into a cache folder.

Each tool is one folder under hack/tools with a go.mod and go.sum. Its programs land in a folder named after a
digest of that folder's files, so a changed pin is built anew and an unchanged one is never built twice. Links
in the cache's ``bin`` folder point at the newest build of each program.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster.errors import ClusterError
from cluster.golang import find_go
from cluster.locks import locked
from cluster.progress import step
from cluster.run import run

TOOLS_FOLDER = Path(__file__).resolve().parent.parent / "tools"
_COMPILED = ("*.go", "go.mod", "go.sum")


@dataclass(frozen=True)
class Tool:
    """One folder of hack/tools: the Go packages to build there, and how long a first build takes."""

    name: str
    packages: tuple[str, ...]
    module: str = ""
    """The pinned module whose version ``stamps`` and messages name; empty for a program of our own."""
    minutes: float = 1
    """Rough time of a first build on two cores."""
    stamps: tuple[str, ...] = ()
    """Variables set at link time to the pinned version, without which the program calls itself unknown."""
    extra_flags: str = ""
    assets: tuple[str, ...] = field(default=())
    """Folders of the module that are needed at run time and kept beside the programs."""

    @property
    def programs(self) -> tuple[str, ...]:
        """The names of the programs this tool builds: the tool's own, or those of its several packages."""
        if len(self.packages) == 1:
            return (self.name,)
        return tuple(package.rsplit("/", 1)[-1] for package in self.packages)

    @property
    def folder(self) -> Path:
        """Where the tool's go.mod lies."""
        return TOOLS_FOLDER / self.name

    def version(self) -> str:
        """The version of the module this tool is built from, as pinned in its go.mod."""
        if not self.module:
            return ""
        pinned = re.search(rf"^(?:require)?\s*{re.escape(self.module)} (v\S+)", self._go_mod(), re.MULTILINE)
        if pinned is None:
            raise ClusterError(f"{self.folder}/go.mod does not require {self.module}")
        return pinned[1]

    def digest(self) -> str:
        """A short digest of everything that decides what gets built."""
        content = hashlib.sha256(repr((self.packages, self.stamps, self.extra_flags, self.assets)).encode())
        for path in sorted(found for pattern in _COMPILED for found in self.folder.glob(pattern)):
            content.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return content.hexdigest()[:12]

    def _go_mod(self) -> str:
        return (self.folder / "go.mod").read_text()


_K8S = "k8s.io/kubernetes/cmd"
_K8S_VERSION = "k8s.io/component-base/version"

TOOLS: tuple[Tool, ...] = (
    Tool(
        "kubernetes",
        tuple(
            f"{_K8S}/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "kubectl",
            )
        ),
        module="k8s.io/kubernetes",
        minutes=5,
        stamps=(f"{_K8S_VERSION}.gitVersion",),
        extra_flags=f"-X {_K8S_VERSION}.gitMajor=1 -X {_K8S_VERSION}.gitMinor=36",
    ),
    Tool("etcd", ("go.etcd.io/etcd/server/v3",), module="go.etcd.io/etcd/server/v3", minutes=0.5),
    Tool(
        "kwok",
        ("sigs.k8s.io/kwok/cmd/kwok",),
        module="sigs.k8s.io/kwok",
        minutes=1.5,
        stamps=("sigs.k8s.io/kwok/pkg/consts.Version",),
        assets=("kustomize/stage", "kustomize/metrics"),
    ),
    Tool("coredns", ("github.com/coredns/coredns",), module="github.com/coredns/coredns", minutes=2),
    Tool(
        "metrics-server",
        ("sigs.k8s.io/metrics-server/cmd/metrics-server",),
        module="sigs.k8s.io/metrics-server",
        minutes=2,
        stamps=("sigs.k8s.io/metrics-server/pkg/version.gitVersion",),
    ),
    Tool("pause", (".",), minutes=0.1),
    Tool("volume-provisioner", (".",), minutes=1),
    Tool(
        "helm",
        ("helm.sh/helm/v4/cmd/helm",),
        module="helm.sh/helm/v4",
        minutes=2,
        stamps=("helm.sh/helm/v4/internal/version.version",),
    ),
    Tool("kube-score", ("github.com/zegl/kube-score/cmd/kube-score",), module="github.com/zegl/kube-score"),
    Tool(
        "kubeconform",
        ("github.com/yannh/kubeconform/cmd/kubeconform",),
        module="github.com/yannh/kubeconform",
    ),
    Tool("kindcheck", (".",), minutes=0.3),
    Tool("balance", (".",), minutes=0.1),
)


@dataclass(frozen=True)
class Built:
    """A built program: its folder below the cache's ``bin`` folder, which holds the tool's assets too."""

    bin_folder: Path
    build: str
    program: str

    @property
    def path(self) -> Path:
        """Absolute path of the program."""
        return self.bin_folder / self.build / self.program

    @property
    def relative(self) -> Path:
        """Path of the program below the cache's ``bin`` folder."""
        return Path(self.build) / self.program


def cache_folder() -> Path:
    """The cache folder: $RAGOPS_CACHE, else ragops below $XDG_CACHE_HOME or ~/.cache."""
    if named := os.environ.get("RAGOPS_CACHE"):
        return Path(named).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().resolve() / "ragops"


def programs(names: Iterable[str] = ()) -> dict[str, Built]:
    """Return the named programs (none named: all of them), building the tools that are missing.

    Raises ClusterError for an unknown name and when a build fails.
    """
    wanted = list(names)
    known = {program: tool for tool in TOOLS for program in tool.programs}
    for name in wanted:
        if name not in known:
            raise ClusterError(f"no program is named {name!r}; there are: {', '.join(sorted(known))}")
    chosen = {known[name].name for name in wanted} or {tool.name for tool in TOOLS}
    tools = [tool for tool in TOOLS if tool.name in chosen]
    bin_folder = cache_folder() / "bin"
    missing = [tool for tool in tools if not _folder(bin_folder, tool).exists()]
    for position, tool in enumerate(missing, start=1):
        _build(bin_folder, tool, f"{position}/{len(missing)}")
    for tool in tools:
        _link(bin_folder, tool)
    return {
        program: Built(bin_folder, _folder(bin_folder, tool).name, program)
        for tool in tools
        for program in tool.programs
        if not wanted or program in wanted
    }


def _folder(bin_folder: Path, tool: Tool) -> Path:
    return bin_folder / f"{tool.name}-{tool.digest()}"


def _build(bin_folder: Path, tool: Tool, position: str) -> None:
    """Build one tool; the folder appears under its name only when all of it is there."""
    target = _folder(bin_folder, tool)
    with locked(bin_folder / f".{tool.name}.lock", f"another build of {tool.name}"):
        if target.exists():
            return
        partial = bin_folder / f".{tool.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        took = f"about {tool.minutes:g} min on 2 cores" if tool.minutes >= 0.5 else "seconds"
        step(f"building {' '.join((tool.name, tool.version())).strip()} ({position}), {took} ...")
        go = find_go(cache_folder())
        _go_build(go, tool, partial)
        _copy_assets(go, tool, partial)
        partial.rename(target)


def _go_build(go: Path, tool: Tool, target: Path) -> None:
    version = tool.version()
    stamps = " ".join(f"-X {variable}={version}" for variable in tool.stamps)
    command: Sequence[str | Path] = (
        *("nice", go, "build", "-trimpath", "-mod=readonly"),
        *("-ldflags", f"-s -w {stamps} {tool.extra_flags}".rstrip()),
        *("-o", target / tool.name if len(tool.packages) == 1 else f"{target}/"),
        *tool.packages,
    )
    environment = {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-p=2 -buildvcs=false"}
    done = subprocess.run(
        command,
        cwd=tool.folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ClusterError(f"building {tool.name} in {tool.folder} failed:\n{done.stdout[-4000:]}")


def _copy_assets(go: Path, tool: Tool, target: Path) -> None:
    if not tool.assets:
        return
    source = Path(run([go, "list", "-m", "-f", "{{.Dir}}", tool.module], cwd=tool.folder).strip())
    for asset in tool.assets:
        shutil.copytree(source / asset, target / asset, copy_function=shutil.copyfile)
    # The module cache is read-only, and copytree copies the modes of folders.
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)


def _link(bin_folder: Path, tool: Tool) -> None:
    """Point the stable names at this build."""
    for program in tool.programs:
        link, goal = bin_folder / program, Path(_folder(bin_folder, tool).name) / program
        if link.is_symlink() and link.readlink() == goal:
            continue
        fresh = bin_folder / f".{program}.{os.getpid()}"
        fresh.symlink_to(goal)
        fresh.replace(link)
