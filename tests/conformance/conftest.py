"""The running cluster and operator, as the tests of the operator have them."""

from tests.cluster.operator.conftest import client, cluster, operator, space, start_operator

__all__ = ["client", "cluster", "operator", "space", "start_operator"]
