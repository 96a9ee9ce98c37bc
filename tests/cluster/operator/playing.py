"""Plays pods whose addresses lead to this test, which tells metrics in their place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Answer = Callable[[str], str]
"""From the path that is asked for to the metrics in Prometheus' text format."""


@contextmanager
def playing(address: str, answer: Answer, port: int = 0) -> Iterator[int]:
    """A metrics endpoint at an address of this machine, for the time of the block: its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(answer(self.path).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the log of the test is for others."""

    with ThreadingHTTPServer((address, port), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()
