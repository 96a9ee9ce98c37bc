"""The commands: ``check`` for `make lint`, ``manifests`` to generate the plain manifests."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import ClusterError

from policy.checks import check_children, check_project
from policy.render import write_manifests


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 when all is well, else 1."""
    parser = argparse.ArgumentParser(prog="python hack/policy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check", help="check the chart, the manifests, the examples and what the operator makes of them"
    )
    check.add_argument(
        "file",
        nargs="?",
        help="check only this file of objects that the operator creates; - reads standard input",
    )
    manifests = commands.add_parser("manifests", help="generate manifests/operator.yaml from the chart")
    manifests.add_argument("--check", action="store_true", help="write nothing; fail where it would change")
    options = parser.parse_args(arguments)
    try:
        if options.command == "manifests":
            write_manifests(check=options.check)
            return 0
        if options.file is None:
            return check_project()
        return check_children(sys.stdin.read() if options.file == "-" else Path(options.file).read_text())
    except (ClusterError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
