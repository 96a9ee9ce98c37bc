"""The operator's own Prometheus metrics."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

PASSES: Final = Counter("ragops_passes_total", "Reconcile passes by outcome.", ["outcome"])
PASS_SECONDS: Final = Histogram(
    "ragops_pass_seconds",
    "Duration of a reconcile pass in seconds.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
)
WRITES: Final = Counter(
    "ragops_writes_total", "Write requests to the API server by kind and verb.", ["kind", "verb"]
)
QUEUE_LENGTH: Final = Gauge("ragops_queue_length", "RAGDeployments that wait for a pass.")
LEADER: Final = Gauge("ragops_leader", "1 on the replica that acts, 0 on standbys.")
SCALINGS: Final = Counter(
    "ragops_scalings_total", "Changes of replicas by action and reason.", ["action", "reason"]
)
UNEXPECTED: Final = Counter(
    "ragops_unexpected_errors_total", "Errors that are faults of ragops itself.", ["where"]
)
DECISIONS_DROPPED: Final = Counter(
    "ragops_decision_log_dropped_total", "Scaling decisions that are missing in the decision log."
)
SAMPLES: Final = Counter(
    "ragops_samples_total",
    "Samples of services that are scaled, by outcome: complete, partial or missing.",
    ["outcome"],
)
SAMPLES_MISSING: Final = Counter(
    "ragops_sample_missing_total",
    "Metrics that a sample has no value of, for some ready pod or for all, by source and reason.",
    ["source", "reason"],
)
SAMPLE_AGE: Final = Gauge(
    "ragops_sample_age_seconds",
    "Seconds since the last sample of a service that is scaled.",
    ["namespace", "rag", "service"],
)
