"""A service that cannot start is told, with the reason; the others go on."""

from tests.e2e.support import Site, eventually, rag

NAMESPACE = "failures"


def test_a_broken_image_fails_one_service_and_what_needs_it_waits(site: Site) -> None:
    services = [
        {"name": "embeddings", "type": "Embeddings", "dependsOn": []},
        {
            "name": "generation",
            "type": "Generation",
            "image": "localhost/ragops/no-such-image:dev",
            "startup": {"timeoutSeconds": 20},
        },
        {"name": "api", "type": "OrchestrationAPI"},
    ]
    site.apply(NAMESPACE, rag("broken", services))

    failed = eventually(
        lambda: (s := site.service(NAMESPACE, "broken", "generation")).get("state") == "Failed" and s,
        90,
        "generation is recorded as failed",
    )
    assert failed["startup"]["reason"] == "ImagePullFailed"
    assert "localhost/ragops/no-such-image:dev" in failed["startup"]["message"]
    eventually(
        lambda: site.service(NAMESPACE, "broken", "embeddings").get("state") == "Ready",
        120,
        "embeddings runs",
    )
    api = site.service(NAMESPACE, "broken", "api")
    assert (api["state"], api["startup"]["waitingFor"]) == ("Waiting", ["generation"])
    assert site.condition(NAMESPACE, "broken", "Degraded")["reason"] == "StartFailed"

    # A broken update of a service that runs: told, while the old version goes on.
    services[0]["image"] = "localhost/ragops/no-such-image:2"
    site.apply(NAMESPACE, rag("broken", services))
    stuck = eventually(
        lambda: (
            (r := site.service(NAMESPACE, "broken", "embeddings").get("rollout") or {}).get("reason") and r
        ),
        60,
        "the update of embeddings is told to be stuck",
    )
    assert stuck["reason"] == "ImagePullFailed"
    assert "1 pods keep serving" in stuck["message"]
    assert site.service(NAMESPACE, "broken", "embeddings")["state"] == "Ready"
    del services[0]["image"]

    # With the image mended, the late service is taken in, and what waited for it starts.
    del services[1]["image"]
    site.apply(NAMESPACE, rag("broken", services))
    site.wait_ready(NAMESPACE, "broken", 180)
