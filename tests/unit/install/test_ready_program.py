"""The program that the pod of `helm test` runs, as the chart hands it over, against a real server."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from .chart import render


@contextmanager
def serving(*statuses: int) -> Iterator[str]:
    """A URL that gives these answers, one for each request, the last one again and again."""
    left = list(statuses)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keeps the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/readyz"
    finally:
        server.shutdown()
        server.server_close()


def run_program(url: str, seconds: float) -> subprocess.CompletedProcess[str]:
    python, *options, _, _ = render().only("Pod")["spec"]["containers"][0]["command"]
    assert python == "python3"
    command = [sys.executable, *options, url, str(seconds)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_waits_until_the_operator_is_ready() -> None:
    with serving(503, 200) as url:
        done = run_program(url, 30)
    assert (done.returncode, done.stdout.strip()) == (0, f"{url} answered 200")


def test_it_fails_with_the_reason_when_the_operator_stays_unready() -> None:
    with serving(503) as url:
        done = run_program(url, 0)
    assert done.returncode == 1
    assert f"{url} did not answer 200 within 0 seconds: HTTP Error 503" in done.stderr


def test_it_asks_the_service_of_the_chart() -> None:
    chart = render(release="blue", namespace="other")
    *_, url, seconds = chart.only("Pod")["spec"]["containers"][0]["command"]
    service = chart.only("Service")
    host = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    assert url == f"http://{host}:{service['spec']['ports'][0]['port']}/readyz"
    assert float(seconds) == 60
