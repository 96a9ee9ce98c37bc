"""Entry point of ``python hack/policy``."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts the folder it was given on the path; the package lies in the folder above, beside cluster.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from policy.cli import main

    sys.exit(main())
