"""Puts the repository's own tools on the path: the tests render the chart as `make lint` does."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "hack"))
