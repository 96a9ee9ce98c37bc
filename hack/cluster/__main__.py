"""Entry point of ``python3 hack/cluster``."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts the folder it was given on the path; the package lies in the folder above.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from cluster.cli import main

    sys.exit(main())
