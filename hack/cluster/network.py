"""The addresses of a node cluster, and the link between it and its host."""

import ipaddress
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError
from cluster.nodeinit import LINK
from cluster.run import run

_COUNT = 64


@dataclass(frozen=True)
class Subnet:
    """The addresses of one cluster, by its number: three /24 networks of their own."""

    number: int

    @property
    def node_network(self) -> ipaddress.IPv4Network:
        """Holds the host's end of the link and the node's."""
        return ipaddress.IPv4Network(f"10.210.{self.number}.0/24")

    @property
    def pods(self) -> ipaddress.IPv4Network:
        """Addresses of pods."""
        return ipaddress.IPv4Network(f"10.211.{self.number}.0/24")

    @property
    def services(self) -> ipaddress.IPv4Network:
        """ClusterIPs."""
        return ipaddress.IPv4Network(f"10.212.{self.number}.0/24")

    @property
    def host(self) -> str:
        """The host's address on the link."""
        return str(self.node_network[1])

    @property
    def node(self) -> str:
        """The node's address."""
        return str(self.node_network[2])

    @property
    def device(self) -> str:
        """The host's end of the link."""
        return f"ragops{self.number}"

    @property
    def _peer(self) -> str:
        return f"ragops{self.number}n"

    @classmethod
    def reserve(cls, owner: str) -> "Subnet":
        """Find free addresses and make them ours by creating the link, which only one process can do.

        ``owner`` is noted on the link. Raises ClusterError when no addresses are free.
        """
        routed = _routed_networks()
        for number in range(_COUNT):
            subnet = cls(number)
            own = (subnet.node_network, subnet.pods, subnet.services)
            if any(network.overlaps(used) for network in own for used in routed):
                continue
            created = subprocess.run(
                ["ip", "link", "add", subnet.device, "type", "veth", "peer", "name", subnet._peer],
                capture_output=True,
                text=True,
                check=False,
            )
            if created.returncode == 0:
                run(["ip", "link", "set", subnet.device, "alias", owner])
                return subnet
            if "File exists" not in created.stderr:
                raise ClusterError(f"making a network link failed: {created.stderr.strip()}")
        raise ClusterError(f"no free addresses: {_COUNT} clusters run, or 10.210-212.0.0/16 are in use here")

    def connect(self, pid: int) -> None:
        """Give the node its end of the link, and route pods and ClusterIPs through it."""
        run(["ip", "link", "set", self._peer, "netns", str(pid), "name", LINK])
        run(["ip", "address", "add", f"{self.host}/24", "dev", self.device])
        run(["ip", "link", "set", self.device, "up"])
        for network in (self.pods, self.services):
            run(["ip", "route", "add", str(network), "via", self.node])

    def disconnect(self, owner: str) -> None:
        """Remove the link, and with it its addresses and routes, unless it is gone or another's by now.

        The link of a node that ended vanishes with it, and its number is free for the next cluster.
        """
        try:
            noted = Path("/sys/class/net", self.device, "ifalias").read_text().strip()
        except OSError:
            return
        if noted == owner:
            # It may be vanishing by itself just now, with the namespace of its other end.
            subprocess.run(["ip", "link", "delete", self.device], capture_output=True, check=False)


def _routed_networks() -> list[ipaddress.IPv4Network]:
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]))
    networks = [ipaddress.IPv4Network(route["dst"]) for route in routes if route["dst"] != "default"]
    # A wide route, such as a VPN's 10.0.0.0/8, is no use of these addresses.
    return [network for network in networks if network.prefixlen >= 16]
