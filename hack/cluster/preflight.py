"""Check, before anything is started, that this machine has what a profile needs."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from cluster.errors import ClusterError
from cluster.progress import step
from cluster.run import run
from cluster.state import Profile

_CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))
_CNI_PLUGINS = ("ptp", "host-local", "loopback")
# Program: the Debian package that has it.
_BOTH = {"openssl": "openssl", "setpriv": "util-linux"}
_NODE = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}
_POLICY = Path("/usr/sbin/policy-rc.d")


def require(profile: Profile) -> None:
    """Make sure a profile can run here; for the node profile, install Debian packages that are missing.

    Raises ClusterError with all that is missing and how to get it.
    """
    if platform.system() != "Linux":
        raise ClusterError(f"this tool needs Linux; on {platform.system()} use kind (kind-config.yaml)")
    if profile == "node" and os.geteuid() != 0:
        raise ClusterError(
            "profile node makes namespaces, mounts and a network link, which needs root: run it with sudo, "
            "or use --profile fake (no containers), or kind (kind-config.yaml)"
        )
    packages = _missing_packages(profile)
    if packages and profile == "node" and shutil.which("apt-get"):
        _install(packages)
        packages = _missing_packages(profile)
    if packages:
        raise ClusterError(
            f"missing on this machine: {', '.join(packages)} (Debian package names). "
            f"Install them, on Debian or Ubuntu with: apt-get install {' '.join(packages)}"
        )
    _require_openssl_3()


def cni_folder() -> Path:
    """The folder of the CNI plug-ins. Raises ClusterError where there is none."""
    for folder in _CNI_FOLDERS:
        if all((folder / plugin).exists() for plugin in _CNI_PLUGINS):
            return folder
    looked = ", ".join(map(str, _CNI_FOLDERS))
    raise ClusterError(f"no CNI plug-ins in {looked}: install containernetworking-plugins")


def _missing_packages(profile: Profile) -> list[str]:
    needed = _BOTH | (_NODE if profile == "node" else {})
    missing = {package for program, package in needed.items() if not shutil.which(program)}
    if profile == "node" and not (shutil.which("docker") or shutil.which("buildah")):
        missing.add("buildah")
    if profile == "node" and not any((folder / "ptp").exists() for folder in _CNI_FOLDERS):
        missing.add("containernetworking-plugins")
    return sorted(missing)


def _require_openssl_3() -> None:
    version = run(["openssl", "version"]).strip()
    words = version.split()
    if words[0] != "OpenSSL" or int(words[1].split(".")[0]) < 3:
        raise ClusterError(f"OpenSSL 3 or newer is needed to make certificates; this machine has {version}")


def _install(packages: list[str]) -> None:
    """Install Debian packages, but start no services: containerd's package would start one."""
    step(f"installing Debian packages: {' '.join(packages)}")
    ours = not _POLICY.exists()
    if ours:
        _POLICY.write_text("#!/bin/sh\n# Written by ragops' local cluster for one apt-get run.\nexit 101\n")
        _POLICY.chmod(0o755)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", "-qq", *command], env=quiet, capture_output=True, text=True, check=False
            )
            # An update may fail for one unneeded source; the install tells whether that mattered.
            if done.returncode != 0 and command[0] == "install":
                output = (done.stderr or done.stdout)[-2000:]
                raise ClusterError(f"apt-get {' '.join(command)} failed:\n{output}")
    finally:
        if ours:
            _POLICY.unlink()
