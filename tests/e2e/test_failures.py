"""A service that cannot start is told, with the reason; the others go on. What people break is mended."""

import json

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


def test_a_crash_loop_is_told(site: Site) -> None:
    # The operator's image knows no command of this name.
    service = {"name": "generation", "type": "Generation", "image": site.images[0]}
    site.apply(NAMESPACE, rag("crash", [service]))
    startup = eventually(
        lambda: (s := site.service(NAMESPACE, "crash", "generation").get("startup", {})).get("reason") and s,
        90,
        "a reason is told",
    )
    assert startup["reason"] == "CrashLoop"
    assert "kubectl logs" in startup["message"]
    del service["image"]
    site.apply(NAMESPACE, rag("crash", [service]))
    site.wait_ready(NAMESPACE, "crash", 120)


def test_what_a_person_breaks_comes_back(site: Site) -> None:
    service = {"name": "generation", "type": "Generation"}
    site.apply(NAMESPACE, rag("drift", [service]))
    site.wait_ready(NAMESPACE, "drift", 120)
    name = "drift-generation"

    edit = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "localhost/other:1"}]}}}}
    site.kubectl("-n", NAMESPACE, "patch", "deployment", name, "-p", json.dumps(edit))
    eventually(lambda: image(site, name) != "localhost/other:1", 10, "the image is back")
    site.kubectl(
        "-n", NAMESPACE, "label", "service", name, "team=search", "ragops.dev/rag=other", "--overwrite"
    )
    eventually(lambda: labels(site, name)["ragops.dev/rag"] == "drift", 10, "our label is back")
    assert labels(site, name)["team"] == "search"
    for kind in ("service", "deployment"):
        site.kubectl("-n", NAMESPACE, "delete", kind, name, "--wait=true")
        eventually(lambda kind=kind: site.get(NAMESPACE, kind, name), 10, f"the {kind} is back")
    eventually(
        lambda: site.service(NAMESPACE, "drift", "generation").get("readyReplicas") == 1, 90, "a pod is ready"
    )


def image(site: Site, deployment: str) -> str:
    """The image of a Deployment."""
    spec = site.get(NAMESPACE, "deployment", deployment)["spec"]["template"]["spec"]
    found: str = spec["containers"][0]["image"]
    return found


def labels(site: Site, service: str) -> dict[str, str]:
    """The labels of a Service."""
    found: dict[str, str] = site.get(NAMESPACE, "service", service)["metadata"]["labels"]
    return found
