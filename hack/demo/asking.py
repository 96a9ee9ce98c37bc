"""Talks to the RAG system's API: uploads documents, asks questions, prints answers with their citations."""

import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from shell import ROOT, DemoError

WIDTH = min(96, shutil.get_terminal_size().columns - 4)


@contextmanager
def api(kubectl: str, namespace: str, service: str) -> Iterator[httpx.Client]:
    """A client of the API through `kubectl port-forward`."""
    command = [
        kubectl,
        "-n",
        namespace,
        "port-forward",
        "--address",
        "127.0.0.1",
        f"service/{service}",
        ":8080",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"127\.0\.0\.1:(\d+)", line := process.stdout.readline())
            if not found:
                raise DemoError(f"the API cannot be reached: {line.strip()}")
            with httpx.Client(base_url=f"http://127.0.0.1:{found[1]}", timeout=120) as client:
                yield client
        finally:
            process.terminate()


def upload(client: httpx.Client, paths: list[Path]) -> None:
    """Uploads documents and prints what became of each."""
    for path in paths:
        answer = client.post("/v1/documents", files={"file": (path.name, path.read_bytes())})
        body = answer.json()
        if answer.is_error:
            raise DemoError(f"{path.name} was refused: {body}")
        pages = f"{body['pages']} pages, " if body.get("pages") else ""
        print(f"   {path.name:28} {pages}{body['chunks']} chunks", flush=True)


def questions() -> list[str]:
    """Three questions that the shipped documents answer: one each from three kinds of documents."""
    entries = yaml.safe_load((ROOT / "examples/documents/questions.yaml").read_text())["answerable"]
    by_document = {entry["document"]: entry["question"] for entry in reversed(entries)}
    return list(by_document.values())[::-1][:3]


def ask(client: httpx.Client, question: str) -> None:
    """Asks one question; prints the answer, where it stands, and how it was made."""
    answer = client.post("/v1/query", json={"question": question})
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        raise DemoError(f"no answer: {body}")
    print(f"\n   Q: {question}")
    print(textwrap.indent(textwrap.fill(f"A: {body['answer']}", WIDTH), "   "))
    for citation in body["citations"]:
        place = f"page {citation['page']}" if citation.get("page") else f"section {citation.get('section')}"
        print(f"      [{citation['document']}, {place}]")
    if body.get("note"):
        print(f"      ({body['note']})", flush=True)
