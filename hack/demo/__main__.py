"""`make demo`: a real Kubernetes on this machine, ragops on it, documents in, questions answered."""

import argparse
import shutil
import sys
from pathlib import Path

from asking import api, ask, questions, upload
from providers import IMAGES, Provider, documents, provider
from shell import DemoError, capture, step, stream
from watching import watch_start

NAMESPACE = "default"
NAME = "quickstart"


def up(cluster: Provider) -> None:
    """The whole demo. Safe to run again: what is there already is kept."""
    with step("A Kubernetes cluster (the first time its binaries are built from source: 15 to 20 minutes)"):
        cluster.up()
    with step("Images"):
        references = cluster.load_images()
    with step("helm install ragops"):
        install(cluster, references)
    with step(f"kubectl apply -f examples/{NAME}.yaml"):
        stream(cluster.kubectl, "-n", NAMESPACE, "apply", "--server-side", "-f", f"examples/{NAME}.yaml")
        watch_start(cluster.kubectl, NAMESPACE, NAME)
    with api(cluster.kubectl, NAMESPACE, f"{NAME}-api") as client:
        with step("Documents"):
            upload(client, documents())
        with step("Questions"):
            for question in questions():
                ask(client, question)
    farewell(cluster)


def install(cluster: Provider, references: list[str]) -> None:
    """Installs or upgrades the chart with the images built here."""
    values: list[str] = []
    for name, reference in zip(IMAGES, references, strict=True):
        repository, _, tag = reference.rpartition(":")
        values += ["--set", f"images.{name}.repository={repository},images.{name}.tag={tag}"]
    # helm leaves CRDs alone on an upgrade.
    stream(cluster.kubectl, "apply", "--server-side", "--force-conflicts", "-f", "crds")
    stream(
        *(cluster.helm, "upgrade", "--install", "ragops", "charts/ragops"),
        *("--namespace", "ragops-system", "--create-namespace", "--wait", "--timeout", "3m", "--hide-notes"),
        *values,
    )


def farewell(cluster: Provider) -> None:
    """What there is now, and how to go on."""
    print(f"\n{capture(cluster.kubectl, '-n', NAMESPACE, 'get', 'rag')}")
    if shutil.which("kubectl") is None:
        print(f"kubectl is not on your PATH:\n  export PATH=$PATH:{Path(cluster.kubectl).parent}\n")
    print(f"""
How to go on:
  .venv/bin/kubectl-rag status {NAME}
  kubectl get rag {NAME} -o yaml
  kubectl port-forward service/{NAME}-api 8080 & forward=$!
  curl --retry-connrefused --retry 9 -F file=@README.md http://127.0.0.1:8080/v1/documents
  curl -H 'Content-Type: application/json' -d '{{"question": "What is ragops?"}}' http://127.0.0.1:8080/v1/query
  kill $forward
  kubectl apply --server-side -f examples/autoscaling.yaml
  kubectl delete rag {NAME}             # its volume, and so its documents, stay
  {cluster.down_command}""")


def main() -> int:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="hack/demo", description=__doc__)
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--cluster", default="local", help="local (default) or kind")
    arguments = parser.parse_args()
    try:
        chosen = provider(arguments.cluster)
        if arguments.action == "up":
            up(chosen)
        else:
            chosen.down()
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; `make demo` goes on from here, `make down` removes the cluster", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
