"""Documents that must be refused, made by the libraries that make them in life."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from pypdf import PdfReader, PdfWriter

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "documents"
HANDBOOK = (EXAMPLES / "operations-handbook.pdf").read_bytes()
TRAINING = (EXAMPLES / "driver-training.docx").read_bytes()


def protected_pdf(user_password: str) -> bytes:
    """The handbook, encrypted; with an empty user password anybody may read it."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(HANDBOOK)))
    writer.encrypt(user_password, owner_password="owner", algorithm="AES-256")
    return _bytes_of(writer)


def blank_pdf(pages: int = 2) -> bytes:
    """Pages without text, as a scanner makes them."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(width=595, height=842)
    return _bytes_of(writer)


def _bytes_of(writer: PdfWriter) -> bytes:
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def zip_of(**members: bytes) -> bytes:
    """A ZIP archive that is no Word document."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


# Name, content, error code, and what the message must say for people to be able to mend it.
BAD_DOCUMENTS: list[tuple[str, bytes, str, str]] = [
    ("locked.pdf", protected_pdf("secret"), "encrypted_document", "remove the protection"),
    ("scan.pdf", blank_pdf(), "no_text", "OCR"),
    ("cut.pdf", HANDBOOK[:200], "corrupt_document", "export it again"),
    ("noise.pdf", b"%PDF-1.7\n" + b"\xde\xad\xbe\xef" * 500, "corrupt_document", "export it again"),
    ("text.pdf", b"just some text", "content_mismatch", "not a PDF"),
    ("cut.docx", TRAINING[:3000], "corrupt_document", "open it in Word"),
    ("archive.docx", zip_of(readme=b"hello"), "corrupt_document", "open it in Word"),
    ("old.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "encrypted_document", "protected"),
    ("letter.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "unsupported_type", ".docx"),
    ("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(100), "unsupported_type", "PDF (.pdf)"),
    ("noname", b"some text", "unsupported_type", "Supported are"),
    ("really-a-pdf.txt", HANDBOOK + b"\n", "content_mismatch", "its content is a PDF"),
    ("binary.md", b"# Title\x00\x01\x02", "content_mismatch", "binary data"),
    ("latin.txt", "Fahrgäste dürfen".encode("latin-1"), "bad_encoding", "save it as UTF-8"),
    ("empty.txt", b"", "empty_document", "0 bytes"),
    ("empty.pdf", b"", "empty_document", "0 bytes"),
    ("blank.md", b" \n\n \t\n", "no_text", "contains no text"),
    ("only-script.html", b"<html><script>alert('x')</script><nav>Home</nav></html>", "no_text", "no text"),
]
