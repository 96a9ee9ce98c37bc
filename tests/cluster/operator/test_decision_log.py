"""The decision log of a run over SIGKILL and a new leader: it is replayed to the same decisions."""

from pathlib import Path

from typer.testing import CliRunner

from ragops.cli.main import app

from .conftest import StartOperator
from .eventually import eventually
from .space import Object, Space, services

AUTO: Object = {
    "maxReplicas": 3,
    "sampleSeconds": 1,
    "stabilitySeconds": 3,
    "cooldownSeconds": 2,
    "metrics": [{"type": "CPU"}],
}


def test_a_run_is_replayed_to_the_same_decisions(
    space: Space, start_operator: StartOperator, tmp_path: Path
) -> None:
    path = tmp_path / "decisions.jsonl"
    process = start_operator(RAGOPS_DECISION_LOG=str(path))
    asks = {"requests": {"cpu": "100m"}}
    space.apply_rag(services("generation", generation={"autoscaling": AUTO, "resources": asks}))
    space.await_ready()
    space.use("generation", cpu="90m")
    eventually(lambda: space.replicas("generation") == 2, "one step up", 60)
    process.kill()
    process = start_operator(RAGOPS_DECISION_LOG=str(path))
    eventually(lambda: space.service("generation").get("readyReplicas") == 2, "2 pods are ready")
    space.use("generation", cpu="1m")
    eventually(lambda: space.replicas("generation") == 1, "one step down", 60)
    process.terminate()

    done = CliRunner().invoke(app, ["replay", str(path)])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    changes = [line for line in lines if " -> " in line]
    assert [change.split("generation")[1].split()[:4] for change in changes] == [
        ["1", "->", "2", "AboveThreshold:"],
        ["2", "->", "1", "BelowThresholds:"],
    ]
    assert sum(line.startswith("an operator began to act") for line in lines) == 2
    assert not [line for line in lines if "cannot be compared" in line]
    # Whole windows only where a leader begins.
    assert path.read_text().count('"kind":"window"') <= 6
