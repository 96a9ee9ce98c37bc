"""Writes what is generated from the models: the CRD, for kubectl and for Helm, and its reference page.

python3 hack/generate            write the files
python3 hack/generate --check    write nothing; exit 1 and name the files that would change
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml
from reference import reference

from ragops.api.crd import crd

ROOT = Path(__file__).resolve().parents[2]
CRD_FILE = "ragops.dev_ragdeployments.yaml"


class _Dumper(yaml.SafeDumper):
    """Writes shared parts in full: kubectl and people read no YAML anchors in a CRD."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def generated() -> dict[Path, str]:
    """The contents of all generated files."""
    definition = yaml.dump(crd(), Dumper=_Dumper, sort_keys=False, width=120)
    manifest = f"# Generated from operator/ragops/api by `make generate`. Do not edit.\n{definition}"
    return {
        ROOT / "crds" / CRD_FILE: manifest,
        ROOT / "charts" / "ragops" / "crds" / CRD_FILE: manifest,
        ROOT / "docs" / "reference" / "api.md": reference(),
    }


def main() -> int:
    """The command; the exit code."""
    parser = argparse.ArgumentParser(prog="hack/generate", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if a file is out of date")
    check = parser.parse_args().check
    stale = {
        path: text for path, text in generated().items() if not path.exists() or path.read_text() != text
    }
    for path, text in stale.items():
        print(f"{path.relative_to(ROOT)} {'is out of date; run `make generate`' if check else 'written'}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
