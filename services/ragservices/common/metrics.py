"""Prometheus metrics. The label `service` is the service's type, as on the command line."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120)

REQUESTS = Counter(
    "ragservices_requests_total", "Requests answered.", ["service", "route", "method", "status"]
)
REQUEST_SECONDS = Histogram(
    "ragservices_request_seconds",
    "Time from the request's head to the end of the response.",
    ["service", "route", "method"],
    buckets=SECONDS,
)
ERRORS = Counter(
    "ragservices_errors_total", "Requests answered with a status of 500 or above.", ["service", "code"]
)
IN_PROGRESS = Gauge("ragservices_requests_in_progress", "Requests being worked on.", ["service"])
QUEUE_DEPTH = Gauge("ragservices_queue_depth", "Requests waiting for their turn.", ["service"])

TOKENS = Counter("ragservices_tokens_total", "Tokens embedded, special tokens included.")
EMBEDDINGS = Counter("ragservices_embeddings_total", "Texts embedded.")
DOCUMENTS = Counter(
    "ragservices_documents_total",
    "Uploads by outcome: created, replaced, known or an error code.",
    ["outcome"],
)
PAGES = Counter("ragservices_pages_total", "Pages of documents stored.")
CHUNKS = Counter("ragservices_chunks_total", "Chunks of documents stored.")
PASSAGES = Counter("ragservices_passages_total", "Passages returned.")
ANSWERS = Counter("ragservices_answers_total", "Answers given.", ["mode", "answered"])
