"""Runs make targets one after the other, and prints the times. Usage: python hack/phases TARGET..."""

import subprocess
import sys
import time


def main(targets: list[str]) -> int:
    """Stops at the first target that fails. Returns its exit code."""
    took: list[tuple[str, float]] = []
    code = 0
    for target in targets:
        print(f"\n== {target}", flush=True)
        started = time.monotonic()
        code = subprocess.run(["make", "--no-print-directory", target], check=False).returncode
        took.append((target, time.monotonic() - started))
        if code:
            break
    print("\n== times")
    for target, seconds in took:
        print(f"{target:16} {seconds:7.1f} s")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
