"""The user's kubeconfig: only our own entries ever change."""

from pathlib import Path

from .conftest import Home, unique_name

OWN = """\
apiVersion: v1
kind: Config
current-context: work
clusters:
- name: work
  cluster: {server: "https://work.example:6443", certificate-authority: certs/ca.crt}
contexts:
- name: work
  context: {cluster: work, user: me, namespace: mine}
users:
- name: me
  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, interactiveMode: Never}}
"""


def write(home: Home, text: str) -> None:
    home.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    home.kubeconfig.write_text(text)


def view(home: Home) -> str:
    return home.kubectl("config", "view", "--raw", "-o", "json")


def test_up_adds_a_current_context_and_down_takes_out_only_that(home: Home) -> None:
    write(home, OWN)
    before = view(home)
    name = unique_name()
    home.up(name, "--profile", "fake")
    assert home.kubectl("config", "current-context").strip() == f"ragops-{name}"
    assert "fake-0" in home.kubectl("get", "nodes")
    assert home.kubeconfig.stat().st_mode & 0o777 == 0o600
    home.kubectl("config", "use-context", "work")
    assert home.tool("down", "--name", name).returncode == 0
    assert view(home) == before
    # A path relative to the file stays so.
    assert "certificate-authority: certs/ca.crt" in home.kubeconfig.read_text()


def test_down_leaves_no_current_context_that_is_gone(home: Home) -> None:
    name = unique_name()
    home.up(name, "--profile", "fake")
    home.tool("down", "--name", name)
    assert "ragops" not in view(home)


def test_no_merge_leaves_the_file_alone(home: Home) -> None:
    write(home, OWN)
    cluster = home.up(unique_name(), "--profile", "fake", "--no-merge")
    assert home.kubeconfig.read_text() == OWN
    path = Path(home.tool("kubeconfig", "--name", cluster.name).stdout.strip())
    content = home.tool("kubeconfig", "--name", cluster.name, "--content").stdout
    assert content.strip() == path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600


def test_foreign_context_is_refused_before_anything_starts(home: Home) -> None:
    name = unique_name()
    foreign = OWN.replace("name: work", f"name: ragops-{name}").replace("work", f"ragops-{name}")
    write(home, foreign)
    done = home.tool("up", "--name", name, "--profile", "fake")
    assert done.returncode == 1
    assert f"has an entry 'ragops-{name}' under contexts that this tool did not make" in done.stderr
    assert "--no-merge" in done.stderr
    assert not home.state(name).exists()
    assert home.tool("down", "--name", name).returncode == 0
    assert home.kubeconfig.read_text() == foreign
