"""Building programs: once, whole or not at all."""

import os
import signal
from pathlib import Path

import pytest

from .conftest import Home, eventually


@pytest.fixture
def empty_cache(home: Home, tmp_path: Path) -> Path:
    """A cache folder with nothing in it; Go's own build cache is kept."""
    cache = tmp_path / "cache"
    home.environment["RAGOPS_CACHE"] = str(cache)
    return cache


def test_builds_once_and_links_the_newest(home: Home, empty_cache: Path) -> None:
    first = home.tool("binaries", "pause")
    assert "building pause (1/1)" in first.stderr
    path = Path(first.stdout.strip())
    assert os.access(path, os.X_OK)
    assert (empty_cache / "bin" / "pause").resolve() == path
    second = home.tool("binaries", "pause")
    assert second.stdout == first.stdout
    assert "building" not in second.stderr


def test_two_at_once_build_once(home: Home, empty_cache: Path) -> None:
    both = [home.start("binaries", "kindcheck") for _ in range(2)]
    output = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("building kindcheck" in text for text in output) == 1
    assert [path.name for path in (empty_cache / "bin").glob("kindcheck-*/*")] == ["kindcheck"]


def test_build_that_was_cut_off_leaves_nothing_half_done(home: Home, empty_cache: Path) -> None:
    cut_off = home.start("binaries", "kindcheck")
    eventually(lambda: (empty_cache / "bin" / ".kindcheck.partial").exists(), "the start of a build")
    os.killpg(cut_off.pid, signal.SIGKILL)
    cut_off.communicate()
    assert list((empty_cache / "bin").glob("kindcheck*")) == []
    again = home.tool("binaries", "kindcheck")
    assert again.returncode == 0, again.stderr
    assert os.access(again.stdout.strip(), os.X_OK)


def test_unknown_program_is_told_with_the_known_ones(home: Home) -> None:
    done = home.tool("binaries", "kubeadm")
    assert done.returncode == 1
    assert "no program is named 'kubeadm'; there are: balance, coredns, etcd," in done.stderr
