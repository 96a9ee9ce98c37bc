"""The command line."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cluster import fake, images, lifecycle, supervisor
from cluster.binaries import programs
from cluster.errors import ClusterError
from cluster.inside import enter
from cluster.state import Place, existing


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        result: int = arguments.run(arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 hack/cluster", description="A local Kubernetes without Docker."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, help_text: str, *, named: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=help_text)
        added.set_defaults(run=run)
        if named:
            added.add_argument("--name", default="dev", help="name of the cluster (default: %(default)s)")
        return added

    up = command("up", _up, "make a cluster, or do nothing when it runs")
    up.add_argument("--profile", choices=("node", "fake"), default="node", help="default: %(default)s")
    up.add_argument("--no-merge", action="store_true", help="leave your own kubeconfig alone")
    up.add_argument(
        "--stages",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="profile fake: kwok Stages for pods, in place of those that make them ready at once",
    )
    up.add_argument(
        "--metrics",
        action="store_true",
        help="profile fake: serve the resource metrics API, with the use that each pod's annotations "
        "kwok.x-k8s.io/usage-cpu and usage-memory tell",
    )
    down = command("down", _down, "remove a cluster and all traces of it")
    down.add_argument("--all", action="store_true", help="remove every cluster of yours")
    command("status", _status, "list your clusters", named=False)
    load = command("load-image", _load_image, "bring images of buildah or Docker into the node")
    load.add_argument("images", nargs="+", metavar="IMAGE")
    config = command("kubeconfig", _kubeconfig, "print the path of the cluster's kubeconfig")
    config.add_argument("--content", action="store_true", help="print the file itself")
    logs = command("logs", _logs, "print logs; without a component, list them")
    logs.add_argument("component", nargs="?")
    logs.add_argument("-f", "--follow", action="store_true")
    inside = command("exec", _exec, "run a command inside the node, such as: exec -- crictl ps")
    inside.add_argument("command", nargs="+", metavar="-- COMMAND")
    build = command("binaries", _binaries, "build programs (default: all) and print their paths", named=False)
    build.add_argument("programs", nargs="*", metavar="PROGRAM")
    commands.add_parser("_supervise").set_defaults(run=_supervise)
    commands.choices["_supervise"].add_argument("--name")
    return parser


def _up(arguments: argparse.Namespace) -> int:
    options = fake.Options(tuple(arguments.stages), arguments.metrics)
    if arguments.profile == "node" and options != fake.Options():
        raise ClusterError("--stages and --metrics belong to --profile fake (profile node has real metrics)")
    lifecycle.up(lifecycle.Wanted(arguments.name, arguments.profile, not arguments.no_merge, options))
    return 0


def _down(arguments: argparse.Namespace) -> int:
    for place in existing() if arguments.all else [Place.of(arguments.name)]:
        was_there = lifecycle.down(place)
        print(f"cluster {place.name} {'removed' if was_there else 'is not there: nothing to remove'}")
    return 0


def _status(_: argparse.Namespace) -> int:
    rows = [lifecycle.Row("NAME", "PROFILE", "STATE", "SERVER", "")]
    rows += [lifecycle.describe(place) for place in existing()]
    for row in rows:
        print(f"{row.name:<20} {row.profile:<8} {row.state:<10} {row.server:<28} {row.detail}".rstrip())
    return 0


def _load_image(arguments: argparse.Namespace) -> int:
    images.load(Place.of(arguments.name), arguments.images)
    return 0


def _kubeconfig(arguments: argparse.Namespace) -> int:
    path = _existing(arguments.name).kubeconfig
    print(path.read_text() if arguments.content else path)
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    place = _existing(arguments.name)
    known = sorted(path.stem for path in place.logs.glob("*.log"))
    if not arguments.component:
        print("\n".join(known))
        return 0
    if arguments.component not in known:
        raise ClusterError(f"there is no log {arguments.component!r}; there are: {', '.join(known)}")
    path = place.logs / f"{arguments.component}.log"
    return _become(["tail", "-n", "+1", *(["-F"] if arguments.follow else []), str(path)])


def _exec(arguments: argparse.Namespace) -> int:
    return _become(enter(Place.of(arguments.name), arguments.command))


def _become(command: list[str]) -> NoReturn:
    """Go on as another program, which then has the terminal and the exit status."""
    os.execvp(command[0], command)


def _binaries(arguments: argparse.Namespace) -> int:
    for built in programs(arguments.programs).values():
        print(built.path)
    return 0


def _supervise(arguments: argparse.Namespace) -> int:
    supervisor.supervise(Place.of(arguments.name))
    return 0


def _existing(name: str) -> Place:
    place = Place.of(name)
    if not place.kubeconfig.exists():
        raise ClusterError(f"there is no cluster {name}: make it with up, or see status")
    return place
