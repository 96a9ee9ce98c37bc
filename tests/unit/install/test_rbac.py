"""What the operator may do: no more than it needs, and nothing outside the namespaces it watches."""

from collections import defaultdict

import pytest

from .chart import Rendered, render

READS = {"get", "list", "watch"}
WRITES = {
    "configmaps.": {"create", "patch", "delete"},
    "deployments.apps": {"create", "patch", "delete"},
    "deployments/scale.apps": {"patch"},
    "events.": {"create"},
    "leases.coordination.k8s.io": {"create", "update"},
    "poddisruptionbudgets.policy": {"create", "patch", "delete"},
    "pods.": {"patch"},
    "ragdeployments/finalizers.ragops.dev": {"update"},
    "ragdeployments/status.ragops.dev": {"patch"},
    "secrets.": {"create"},
    "services.": {"create", "patch", "delete"},
    "statefulsets.apps": {"create", "patch", "delete"},
}
NAMESPACED = ("--set", "watchNamespaces={team-a,team-b}")


@pytest.mark.parametrize("arguments", [(), NAMESPACED])
def test_the_operator_writes_only_what_it_makes(arguments: tuple[str, ...]) -> None:
    granted = defaultdict(set)
    for rule in _operator_rules(render(*arguments)):
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                granted[f"{resource}.{group}"].update(rule["verbs"])
    assert {name: verbs - READS for name, verbs in granted.items() if verbs - READS} == WRITES
    assert granted["secrets."] == {"create"}


@pytest.mark.parametrize(("way", "verbs"), [("direct", set()), ("proxy", {"get"})])
def test_requests_to_pods_through_the_api_are_a_choice(way: str, verbs: set[str]) -> None:
    rules = _operator_rules(render("--set", f"metrics.scrape={way}"))
    granted = [rule["verbs"] for rule in rules if "pods/proxy" in rule["resources"]]
    assert {verb for found in granted for verb in found} == verbs


@pytest.mark.parametrize("arguments", [(), NAMESPACED])
def test_no_rule_has_a_wildcard(arguments: tuple[str, ...]) -> None:
    chart = render(*arguments)
    rules = [rule for kind in ("ClusterRole", "Role") for role in chart.all(kind) for rule in role["rules"]]
    assert rules
    assert not [rule for rule in rules if any("*" in value for values in rule.values() for value in values)]


def test_without_a_list_one_cluster_role_reaches_all_namespaces() -> None:
    chart = render()
    assert chart.names("ClusterRoleBinding") == {"ragops"}
    assert {role["metadata"]["namespace"] for role in chart.all("Role")} == {"ragops-system"}


def test_with_a_list_nothing_of_the_operators_is_cluster_wide() -> None:
    chart = render(*NAMESPACED)
    assert chart.names("ClusterRoleBinding") == set()
    # Left are the roles for people, which are bound to nobody.
    assert chart.names("ClusterRole") == {"ragops-view", "ragops-edit"}
    assert render(*NAMESPACED, "--set", "userRoles.create=false").names("ClusterRole") == set()


def test_each_listed_namespace_gets_the_rules_of_the_cluster_role() -> None:
    everywhere = render().one("ClusterRole", "ragops")["rules"]
    roles = {
        role["metadata"]["namespace"]: role["rules"]
        for role in render(*NAMESPACED).all("Role")
        if role["metadata"]["name"] == "ragops"
    }
    assert roles == {"team-a": everywhere, "team-b": everywhere}


@pytest.mark.parametrize(
    ("arguments", "release", "namespace"),
    [((), "ragops", "ragops-system"), (NAMESPACED, "ragops", "ragops-system"), ((), "blue", "other")],
)
def test_every_binding_is_to_a_role_of_ours_and_to_the_account_of_the_pods(
    arguments: tuple[str, ...], release: str, namespace: str
) -> None:
    chart = render(*arguments, release=release, namespace=namespace)
    deployment = chart.only("Deployment")
    account = {
        "kind": "ServiceAccount",
        "name": deployment["spec"]["template"]["spec"]["serviceAccountName"],
        "namespace": deployment["metadata"]["namespace"],
    }
    assert chart.names("ServiceAccount") == {account["name"]}
    bindings = [*chart.all("RoleBinding"), *chart.all("ClusterRoleBinding")]
    assert len(bindings) >= 2
    for binding in bindings:
        assert binding["subjects"] == [account]
        role = chart.one(
            binding["roleRef"]["kind"], binding["roleRef"]["name"], binding["metadata"].get("namespace")
        )
        assert role["rules"]


def test_the_lease_is_the_only_one_that_can_be_changed() -> None:
    rules = render().one("Role", "ragops-leader")["rules"]
    changing = [rule for rule in rules if "leases" in rule["resources"] and set(rule["verbs"]) - {"create"}]
    assert [rule["resourceNames"] for rule in changing] == [["ragops-leader"]]


def test_the_clusters_own_roles_take_in_ragdeployments() -> None:
    chart = render()
    for role, verbs in {
        "view": READS,
        "edit": {"create", "update", "patch", "delete", "deletecollection"},
    }.items():
        found = chart.one("ClusterRole", f"ragops-{role}")
        assert found["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{role}"] == "true"
        (rule,) = found["rules"]
        assert rule["resources"] == ["ragdeployments"]
        assert set(rule["verbs"]) == verbs


def _operator_rules(chart: Rendered) -> list[dict[str, list[str]]]:
    roles = [*chart.all("Role"), *chart.all("ClusterRole")]
    return [
        rule
        for role in roles
        if role["metadata"]["labels"].get("app.kubernetes.io/component") == "operator"
        for rule in role["rules"]
    ]
