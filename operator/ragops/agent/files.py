"""The files that the operator writes: a mounted ConfigMap, whose content changes all at once."""

from dataclasses import dataclass
from pathlib import Path

from ragops.gateway.agent_config import AgentConfig, parse_agent_config
from ragops.gateway.layout import Layout


@dataclass(frozen=True)
class Content:
    """What the files say."""

    agent: AgentConfig
    split: str
    """The text of split.map."""
    haproxy: str
    certificate: object
    """What tells one certificate from another; None without TLS."""
    written: float
    """When haproxy.cfg was written, or the certificate if later, in seconds since 1970."""


class Mounted:
    """The files, read again when they are others."""

    def __init__(self, layout: Layout) -> None:
        self._agent = Path(layout.agent_config)
        self._split = Path(layout.split_map)
        self._haproxy = Path(layout.haproxy_config)
        self._certificate = Path(layout.certificate)
        self._signature: object = None

    def changed(self) -> Content | None:
        """The content if it is new since the last call; None if not.

        Raises OSError and AgentConfigError; then the next call reads again.
        """
        certificate = _signature(self._certificate) if self._certificate.exists() else None
        files = (self._agent, self._split, self._haproxy)
        signature = (*map(_signature, files), certificate)
        if signature == self._signature:
            return None
        content = Content(
            parse_agent_config(self._agent.read_text()),
            self._split.read_text(),
            self._haproxy.read_text(),
            certificate,
            max(path.stat().st_mtime for path in (self._haproxy, self._certificate) if path.exists()),
        )
        # Taken before the reading: what was swapped meanwhile is read once more.
        self._signature = signature
        return content


def _signature(path: Path) -> tuple[int, int, int]:
    """Follows the links of the mount."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
