"""One parser per kind of document; `parse` picks it."""

from ragservices.documents.parsing.detect import detect_kind, parse
from ragservices.documents.parsing.model import Block, DocumentError, Kind, ParsedDocument

__all__ = ["Block", "DocumentError", "Kind", "ParsedDocument", "detect_kind", "parse"]
