"""Tells the kind of a document by its name, and checks that its content agrees."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path, PurePosixPath

from ragservices.documents.parsing.model import DocumentError, Kind, ParsedDocument

_BY_SUFFIX = {
    ".pdf": Kind.PDF,
    ".docx": Kind.DOCX,
    ".html": Kind.HTML,
    ".htm": Kind.HTML,
    ".xhtml": Kind.HTML,
    ".md": Kind.MARKDOWN,
    ".markdown": Kind.MARKDOWN,
    ".txt": Kind.TEXT,
    ".text": Kind.TEXT,
}
_BY_MEDIA_TYPE = {kind.value: kind for kind in Kind} | {"application/xhtml+xml": Kind.HTML}
_PARSERS = {
    Kind.PDF: "pdf",
    Kind.DOCX: "docx",
    Kind.HTML: "html",
    Kind.MARKDOWN: "markdown",
    Kind.TEXT: "text",
}
_LABELS = {
    Kind.PDF: "PDF",
    Kind.DOCX: "Word (.docx)",
    Kind.HTML: "HTML",
    Kind.MARKDOWN: "Markdown",
    Kind.TEXT: "text",
}
SUPPORTED = "PDF (.pdf), Word (.docx), HTML (.html), Markdown (.md) and plain text (.txt)"


def detect_kind(name: str, media_type: str | None) -> Kind:
    """The kind a name stands for; without a suffix, the media type decides. Raises DocumentError:
    unsupported_type."""
    suffix = PurePosixPath(name).suffix.lower()
    kind = _BY_SUFFIX.get(suffix)
    if kind is None and not suffix and media_type:
        kind = _BY_MEDIA_TYPE.get(media_type.partition(";")[0].strip().lower())
    if kind is None:
        hint = "save it as .docx" if suffix in (".doc", ".odt", ".rtf") else "convert it to one of these"
        raise DocumentError(
            "unsupported_type",
            f"{name}: documents of type {suffix or media_type or 'unknown'} cannot be read. "
            f"Supported are {SUPPORTED}: {hint}",
        )
    return kind


def parse(path: Path, name: str, kind: Kind) -> ParsedDocument:
    """Reads the document at `path`. Raises DocumentError for every way in which it can be bad."""
    with path.open("rb") as file:
        head = file.read(1024)
    if not head:
        raise DocumentError("empty_document", f"{name} is empty (0 bytes): upload a file with content")
    _check_content(head, name, kind)
    parsed: ParsedDocument = import_module(f"ragservices.documents.parsing.{_PARSERS[kind]}").parse(
        path, name
    )
    if not parsed.blocks:
        raise DocumentError("no_text", f"{name} contains no text: there is nothing to search in it")
    return parsed


def _check_content(head: bytes, name: str, kind: Kind) -> None:
    actual = _sniff(head)
    if kind is Kind.PDF:
        fits = b"%PDF-" in head
    elif kind is Kind.DOCX:
        fits = actual == "a ZIP archive"
        if actual == "an OLE file":
            # Word writes password-protected documents as OLE files, whatever their name.
            raise DocumentError(
                "encrypted_document",
                f"{name} is protected by a password or is an old .doc file: "
                "remove the protection or save it as .docx",
            )
    else:
        fits = actual is None
    if not fits:
        found = f"its content is {actual}" if actual else "its content does not begin like one"
        raise DocumentError(
            "content_mismatch",
            f"{name} is not a {_LABELS[kind]} document: {found}. "
            "Upload it under the name that fits its content",
        )


def _sniff(head: bytes) -> str | None:
    """What binary content is, None for text."""
    if b"%PDF-" in head:
        return "a PDF"
    if head.startswith(b"PK\x03\x04"):
        return "a ZIP archive"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "an OLE file"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None  # UTF-16
    return "binary data" if b"\x00" in head else None
