"""The start of the operator process: from its settings to connections, and to the operator that uses them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from kubernetes.aio import client, config

from ragops.cluster.access import api_server
from ragops.cluster.client import KubernetesCluster
from ragops.cluster.connection import connected
from ragops.controller.run import Operator
from ragops.controller.settings import ScrapeWay, Settings
from ragops.metrics.prometheus import PrometheusSource
from ragops.metrics.scrape import DirectScraper, ProxyScraper, Scraper
from ragops.metrics.source import Source
from ragops.telemetry.decisions import DecisionLog


@asynccontextmanager
async def _way(settings: Settings, api: client.ApiClient, inside: bool) -> AsyncIterator[Scraper]:
    """A way to the pods, with connections of its own. Their addresses are reached from `inside` the cluster
    only.
    """
    direct = settings.scrape is ScrapeWay.DIRECT or (settings.scrape is ScrapeWay.AUTO and inside)
    scraper = DirectScraper() if direct else ProxyScraper(api_server(api))
    try:
        yield scraper
    finally:
        await scraper.close()


@asynccontextmanager
async def _sources(settings: Settings) -> AsyncIterator[list[Source]]:
    """Where samples come from, beside the pods, the gateways and the resource metrics API."""
    prometheus = PrometheusSource(settings.prometheus_url)
    try:
        yield [prometheus]
    finally:
        await prometheus.close()


async def run(settings: Settings) -> None:
    """Connects to the API server and runs the operator. Credentials: the pod's, or KUBECONFIG."""
    configuration = client.Configuration()
    inside = True
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        inside = False
        await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    path, max_bytes = settings.decision_log, settings.decision_log_max_bytes
    async with connected(configuration) as api:
        with DecisionLog(path, max_bytes) if path else nullcontext() as decisions:
            cluster = await KubernetesCluster.connect(api)
            async with (
                _way(settings, api, inside) as pods,
                _sources(settings) as sources,
            ):
                await Operator(settings, cluster, sources, pods, decisions).run()
