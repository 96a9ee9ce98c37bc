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

    # With the image mended, the late service is taken in, and what waited for it starts.
    del services[1]["image"]
    site.apply(NAMESPACE, rag("broken", services))
    site.wait_ready(NAMESPACE, "broken", 180)
    site.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
