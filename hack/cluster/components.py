"""What a supervisor runs: programs, in stages that wait for each other."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.binaries import Built
from cluster.state import Place, write_atomically


@dataclass(frozen=True)
class Component:
    """One program of a cluster."""

    name: str
    argv: tuple[str, ...]
    ready: str = ""
    """What answers once it works: an https URL, tcp://HOST:PORT or unix:PATH; empty: not waited for."""


@dataclass(frozen=True)
class NodePlan:
    """How the supervisor makes the node's network and hides the host's folders."""

    hostname: str
    address: str
    """The node's address with its prefix length."""
    gateway: str
    """The host's end of the link."""
    bin_folder: str
    """The host's folder of programs, seen by the node as layout.bin_folder."""


@dataclass(frozen=True)
class Plan:
    """Everything a supervisor needs to know."""

    stages: tuple[tuple[Component, ...], ...]
    authority: str
    """Certificate file that https probes trust."""
    node: NodePlan | None = None

    def save(self, place: Place) -> None:
        """Write the plan for the supervisor."""
        write_atomically(place.plan, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, place: Place) -> "Plan":
        """Read the plan."""
        content = json.loads(place.plan.read_text())
        return cls(
            stages=tuple(
                tuple(Component(entry["name"], tuple(entry["argv"]), entry["ready"]) for entry in stage)
                for stage in content["stages"]
            ),
            authority=content["authority"],
            node=NodePlan(**content["node"]) if content["node"] else None,
        )

    def names(self) -> list[str]:
        """The names of all components, in the order of their start."""
        return [component.name for stage in self.stages for component in stage]


@dataclass(frozen=True)
class Layout:
    """Where the components find files: a node sees other paths than its host."""

    state: Path
    bin_folder: Path
    programs: dict[str, Built]

    def program(self, name: str) -> str:
        """Path of a program."""
        return str(self.bin_folder / self.programs[name].relative)

    def config(self, name: str) -> str:
        """Path of a file in Place.config."""
        return str(self.state / "config" / name)

    def pki(self, name: str) -> str:
        """Path of a file in Place.pki."""
        return str(self.state / "pki" / name)

    def log(self, name: str) -> str:
        """Path of a file in Place.logs."""
        return str(self.state / "logs" / name)


def log_tail(place: Place, name: str, lines: int = 15) -> str:
    """The last lines of a component's log, with its path, for an error message."""
    path = place.logs / f"{name}.log"
    try:
        last = path.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        last = []
    return "\n".join([f"last lines of {path}:", *(f"    {line[:400]}" for line in last or ["(empty)"])])


def flags(options: Mapping[str, str | int]) -> tuple[str, ...]:
    """Command-line flags in the style of Kubernetes: ``--name=value``."""
    return tuple(f"--{name}={value}" for name, value in options.items())
