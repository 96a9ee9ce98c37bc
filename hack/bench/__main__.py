"""Entry point of ``python hack/bench``."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts the folder it was given on the path; the package lies in the folder above, beside cluster.
    # The operator is run as its tests run it.
    hack = Path(__file__).resolve().parent.parent
    sys.path[:1] = [str(hack), str(hack.parent)]
    from bench.cli import main

    sys.exit(main())
