"""kopf: watch streams, credentials and their renewal. Its handlers only feed the cache and wake keys up."""

import itertools
import logging
from collections.abc import Callable, Iterable
from typing import Any

import kopf

from ragops.api.names import GROUP, PLURAL, VERSION
from ragops.cluster.cache import CHILD_KINDS, POD_KIND, SCALER_KIND, Key, WatchCache

RECONNECT_SECONDS = 2

_PLURALS = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "Service": "services",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "ConfigMap": "configmaps",
    "Pod": "pods",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
}


def registry(
    cache: WatchCache, wake: Callable[[Key], None], relisted: Callable[[], None]
) -> kopf.OperatorRegistry:
    """Event handlers for everything that is watched.

    `relisted` is called when a watch could not be resumed and began with a list: what was deleted in between
    is not in it.
    """
    handlers = kopf.OperatorRegistry()

    # A coroutine: kopf runs plain functions in threads, for which neither cache nor queue is made.
    async def on_event(event: kopf.RawEvent, **_: Any) -> None:
        obj = event["object"]
        if not obj.get("kind"):
            return
        if event["type"] is None:
            relisted()
        for key in take_in(cache, event):
            wake(key)

    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    kopf.on.login(registry=handlers, retries=10)(login)
    kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)(on_event)
    for kind in (*CHILD_KINDS, POD_KIND, SCALER_KIND):
        group, _, version = kind.api_version.rpartition("/")
        kopf.on.event(group, version, _PLURALS[kind.kind], registry=handlers)(on_event)
    return handlers


def settings() -> kopf.OperatorSettings:
    """Nothing is written to objects, foreign objects are not watched, the set of resources is fixed."""
    options = kopf.OperatorSettings()
    options.posting.enabled = False
    options.scanning.disabled = True
    options.networking.request_timeout = 30
    # Without an end: one that gave up would come back minutes after the API server, from a crash loop.
    options.networking.error_backoffs = itertools.repeat(RECONNECT_SECONDS)
    for kind in (*CHILD_KINDS, POD_KIND):
        if kind.selector:
            options.watching.label_selectors[_PLURALS[kind.kind]] = kind.selector
    logging.getLogger("kopf").setLevel(logging.WARNING)
    return options


def take_in(cache: WatchCache, event: kopf.RawEvent) -> Iterable[Key]:
    """Takes an event in. Returns whom it concerns."""
    obj = event["object"]
    change = cache.remove if event["type"] == "DELETED" else cache.put
    if obj["kind"] != SCALER_KIND.kind:
        key = change(obj)
        return [] if key is None else [key]
    # An HPA changes with each of its metrics; of interest is only what it scales, which may be anybody's.
    namespace = obj["metadata"]["namespace"]
    before = cache.scalers(namespace)
    change(obj)
    if cache.scalers(namespace) == before:
        return []
    return [key for key in cache.rags() if key.namespace == namespace]
