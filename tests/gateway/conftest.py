"""The HAProxy that the tests of the gateway run: the one that images/haproxy.Containerfile has."""

import shutil

import pytest


@pytest.fixture(scope="session")
def haproxy() -> str:
    """Path of the binary."""
    found = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert found is not None, "HAProxy is not installed: run hack/haproxy"
    return found
