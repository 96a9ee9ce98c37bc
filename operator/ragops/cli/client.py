"""The commands' way to the API server: one namespace's RAGDeployments, with errors told in one line."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from ragops.api.names import API_VERSION, GROUP, KIND, PLURAL, VERSION
from ragops.cli.failure import Failure, UnknownNameFailure
from ragops.cluster.client import cluster_error, translated
from ragops.cluster.errors import ClusterError, InvalidError, NotFoundError, UnavailableError

Object = dict[str, Any]

FIELD_MANAGER: Final = "kubectl-rag"
REQUEST_TIMEOUT_SECONDS: Final = 15.0
WATCH_SECONDS: Final = 60
"""A watch is begun anew after this time, so that a connection that died silently is found out."""
RECONNECT_SECONDS: Final = 1.0
PAGE_SIZE: Final = 500
IN_CLUSTER_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Target:
    """Which cluster and namespace; None for what the kubeconfig says."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None


class Client:
    """The RAGDeployments of a namespace. Every method raises Failure."""

    def __init__(self, api: client.ApiClient, namespace: str, timeout: float) -> None:
        self._api = api
        self._objects = client.CustomObjectsApi(api)
        self._timeout = timeout
        self.namespace = namespace

    async def get(self, name: str) -> Object:
        """A RAGDeployment. An unknown name is told with those that exist."""
        try:
            return await self._get(name)
        except NotFoundError as error:
            if _not_served(error):
                raise self._failure(error) from error
            raise await self._unknown(name) from error
        except ClusterError as error:
            raise self._failure(error) from error

    async def names(self) -> list[str]:
        """The names of all RAGDeployments, the first PAGE_SIZE of them."""
        try:
            found = await translated(
                self._objects.list_namespaced_custom_object(
                    GROUP, VERSION, self.namespace, PLURAL, limit=PAGE_SIZE, _request_timeout=self._timeout
                )
            )
        except ClusterError as error:
            raise self._failure(error) from error
        return sorted(item["metadata"]["name"] for item in found["items"])

    async def follow(
        self, name: str, lost: Callable[[str | None], None]
    ) -> AsyncGenerator[Object | None, None]:
        """The object as it is now, then each time it has changed; None, at last, when it was deleted.

        `lost` is told when the API server does not answer any more, and by None when it does again.
        """
        obj = await self.get(name)
        yield obj
        while True:
            try:
                async with aclosing(self._changes(obj)) as changes:
                    async for change in changes:
                        lost(None)
                        if change is None:
                            yield None
                            return
                        obj = change
                        yield obj
                await asyncio.sleep(RECONNECT_SECONDS)
                # What happened since the watch ended is in the object itself.
                last, obj = obj, await self._get(name)
                lost(None)
                if _version(obj) != _version(last):
                    yield obj
            except NotFoundError:
                yield None
                return
            except UnavailableError as error:
                lost(str(self._failure(error)))
                await asyncio.sleep(RECONNECT_SECONDS)
            except ClusterError as error:
                raise self._failure(error) from error

    async def patch(self, obj: Object, changes: Mapping[str, Any], dry_run: bool) -> Object:
        """JSON merge patch (RFC 7396) of an object in this very state. Raises ConflictError where it has
        changed since."""
        metadata = {**changes.get("metadata", {}), "resourceVersion": _version(obj)}
        try:
            patched: Object = await translated(
                self._objects.patch_namespaced_custom_object(
                    GROUP,
                    VERSION,
                    self.namespace,
                    PLURAL,
                    obj["metadata"]["name"],
                    {**changes, "metadata": metadata},
                    dry_run="All" if dry_run else None,
                    field_manager=FIELD_MANAGER,
                    field_validation="Strict",
                    _content_type="application/merge-patch+json",
                    _request_timeout=self._timeout,
                )
            )
        except ClusterError as error:
            if error.reason == "Conflict":
                raise
            raise self._failure(error) from error
        return patched

    async def _get(self, name: str) -> Object:
        obj: Object = await translated(
            self._objects.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, name, _request_timeout=self._timeout
            )
        )
        return obj

    async def _changes(self, obj: Object) -> AsyncGenerator[Object | None, None]:
        """The states after `obj`, None for its deletion, until the watch ends."""
        response = await translated(
            self._objects.list_namespaced_custom_object_without_preload_content(
                GROUP,
                VERSION,
                self.namespace,
                PLURAL,
                watch=True,
                field_selector=f"metadata.name={obj['metadata']['name']}",
                resource_version=_version(obj),
                timeout_seconds=WATCH_SECONDS,
                _request_timeout=WATCH_SECONDS + self._timeout,
            )
        )
        try:
            if response.status != 200:
                raise cluster_error(
                    ApiException(response.status, response.reason, body=await response.text())
                )
            rest = b""
            while chunk := await translated(response.content.readany()):
                *lines, rest = (rest + chunk).split(b"\n")
                for event in map(json.loads, lines):
                    if event["type"] == "ERROR":
                        return  # the state is too old to watch from: 410 Gone
                    yield None if event["type"] == "DELETED" else event["object"]
        finally:
            response.close()

    async def _unknown(self, name: str) -> Failure:
        """What to say of a name that does not exist."""
        # Whether the namespace exists is told to few; whoever may not know sees an empty one.
        with suppress(ClusterError):
            try:
                await translated(
                    client.CoreV1Api(self._api).read_namespace(self.namespace, _request_timeout=self._timeout)
                )
            except NotFoundError:
                return Failure(f"there is no namespace {self.namespace!r}; name another one with -n")
        there = f"namespace {self.namespace} has no RAGDeployment {name!r}"
        try:
            names = await self.names()
        except Failure:
            return UnknownNameFailure(there)
        return UnknownNameFailure(f"{there}; it has {', '.join(names) or 'none at all'}")

    def _failure(self, error: ClusterError) -> Failure:
        """A failed request in one line, with what to do."""
        server = self._api.configuration.host
        message = " ".join(error.message.split())
        if error.reason == "Unreachable":
            return Failure(
                f"the API server {server} cannot be reached ({self._unreachable(error)}); is the cluster "
                "running, and is this the right --context?"
            )
        if isinstance(error, UnavailableError):
            return Failure(f"the API server {server} is not available ({message}); try again")
        if error.reason == "Unauthorized":
            return Failure(
                f"the API server {server} does not accept these credentials; log in again, or choose another "
                "--context"
            )
        if error.reason == "Forbidden":
            return Failure(
                f"{message}; reading needs the role view in this namespace, changing the role edit"
            )
        if isinstance(error, NotFoundError) and _not_served(error):
            return Failure(
                f"the API server {server} does not know {KIND} ({API_VERSION}); install its "
                "CustomResourceDefinition first: kubectl apply --server-side -f crds"
            )
        if isinstance(error, InvalidError):
            return Failure(f"the change is refused: {message}")
        return Failure(f"{error.reason}: {message}")

    def _unreachable(self, error: ClusterError) -> str:
        match error.__cause__:
            case TimeoutError():
                return f"no answer in {self._timeout:.0f} s"
            case aiohttp.ClientConnectorCertificateError() as cause:
                return f"its certificate is not trusted: {cause.certificate_error}"
            case aiohttp.ClientConnectorError(strerror=str(why)):
                return why
        return error.message


@asynccontextmanager
async def connected(target: Target, seconds: float = REQUEST_TIMEOUT_SECONDS) -> AsyncIterator[Client]:
    """A client for the target. Credentials: the kubeconfig, without one those of the pod.

    `seconds`: timeout of each request. Raises Failure.
    """
    configuration = client.Configuration()
    try:
        namespace = await _configure(configuration, target)
    except config.ConfigException as error:
        raise Failure(_unknown_context(target) or " ".join(str(error).split())) from error
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        # What the reader trips over in a file that is something else.
        raise Failure(f"{_paths(target)} is not a kubeconfig ({type(error).__name__}); correct it") from error
    except OSError as error:
        raise Failure(f"the kubeconfig cannot be used: {error}") from error
    async with client.ApiClient(configuration) as api:
        yield Client(api, namespace, seconds)


async def _configure(configuration: client.Configuration, target: Target) -> str:
    """Fills in server and credentials. Returns the namespace."""
    paths = _paths(target)
    if not _exist(paths):
        if target.kubeconfig or target.context or not _in_cluster():
            raise Failure(
                f"there is no kubeconfig at {paths}; name one with --kubeconfig or in KUBECONFIG, "
                "or make a cluster first"
            )
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        return target.namespace or _in_cluster() or "default"
    loader = await config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=paths, context=target.context, client_configuration=configuration
    )
    return target.namespace or loader.current_context["context"].get("namespace") or "default"


def _paths(target: Target) -> str:
    return str(target.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config")


def _exist(paths: str) -> bool:
    return any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path)


def _in_cluster() -> str | None:
    """The namespace of this pod; None outside of a cluster."""
    return IN_CLUSTER_NAMESPACE.read_text().strip() if IN_CLUSTER_NAMESPACE.exists() else None


def _unknown_context(target: Target) -> str | None:
    """What to say when the context that was named does not exist."""
    if target.context is None:
        return None
    try:
        contexts: Sequence[Mapping[str, str]]
        contexts, _ = config.list_kube_config_contexts(_paths(target))  # type: ignore[no-untyped-call]
    except config.ConfigException:
        return None
    names = [context["name"] for context in contexts]
    if target.context in names:
        return None
    return f"the kubeconfig has no context {target.context!r}; it has {', '.join(names)}"


def _not_served(error: NotFoundError) -> bool:
    """The path, not the object, is unknown: then the answer is no Status object."""
    return error.reason != "NotFound"


def _version(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])
