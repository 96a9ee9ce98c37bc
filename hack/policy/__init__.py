"""Checks of all that is applied to a cluster: the chart, the plain manifests, the examples, the children."""
