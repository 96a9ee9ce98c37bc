"""Carries out a plan: only what differs is written, every write is fenced by the lease, status comes last."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import groupby
from typing import Any, Final, TypeVar

from ragops.api.names import CONFIG_ANNOTATION, GATEWAY, common_labels
from ragops.api.rag import ObjectMeta
from ragops.cluster.cache import Key, WatchCache
from ragops.cluster.errors import (
    ClusterError,
    ConflictError,
    ForeignObjectError,
    InvalidError,
    NotFoundError,
    NotLeaderError,
)
from ragops.cluster.lease import Leadership
from ragops.cluster.protocol import Cluster
from ragops.orchestration.actions import Annotate, Apply, CreateCredentials, Delete, Plan, Scale
from ragops.orchestration.observation import ApplyFailure
from ragops.resources.child import Manifest, is_owned_by, owner_reference, ref_of, was_made_for
from ragops.resources.difference import repairs
from ragops.telemetry.metrics import SCALINGS, WRITES

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 4
"""Of a write to an object that others change at the same moment."""

T = TypeVar("T")
Unchanged = Callable[[Manifest, Manifest], bool]
"""Whether a plan that was made from the first object may be carried out on the second."""


class Executor:
    """Writes to the API server."""

    def __init__(self, cluster: Cluster, cache: WatchCache, leadership: Leadership) -> None:
        self._cluster = cluster
        self._cache = cache
        self._leadership = leadership

    async def execute(self, key: Key, meta: ObjectMeta, plan: Plan) -> dict[str, ApplyFailure]:
        """Does all that `plan` says about children. Returns what failed, by service, or by child
        where a deletion failed; the rest is done. Raises NotLeaderError when the lease was lost.
        """
        failures = await self._create_and_apply(key, meta, plan)
        for delete in plan.deletes:
            try:
                await self._delete(key, delete)
            except ClusterError as error:
                logger.warning("%s: %s cannot be deleted: %s", key, delete.ref, error)
                failures[str(delete.ref)] = ApplyFailure(error.reason, error.message)
        for scale in plan.scales:
            try:
                await self._scale(key, scale)
            except ClusterError as error:
                failures.setdefault(scale.service, ApplyFailure(error.reason, error.message))
        for annotate in plan.annotations:
            try:
                await self._annotate(key, annotate)
            except ClusterError as error:
                failures.setdefault(GATEWAY, ApplyFailure(error.reason, error.message))
        return failures

    async def write_status(self, key: Key, meta: ObjectMeta, status: Mapping[str, Any]) -> None:
        """Sets the status; its answer goes to the cache, so that the next pass sees it."""
        self._write("RAGDeployment", "status")
        self._cache.put(
            await self._cluster.apply_status(key.namespace, key.name, meta.uid, meta.resourceVersion, status)
        )

    async def create(self, key: Key, manifest: Mapping[str, Any]) -> None:
        """Creates an object that nothing waits for, such as an Event."""
        self._write(manifest["kind"], "create")
        await self._cluster.create(key.namespace, manifest)

    async def _create_and_apply(self, key: Key, meta: ObjectMeta, plan: Plan) -> dict[str, ApplyFailure]:
        """Services side by side; of one, what is new side by side, and changes in their order."""
        failures: dict[str, ApplyFailure] = {}
        credentials = {action.service: action for action in plan.credentials}
        applies = {service: list(group) for service, group in groupby(plan.applies, lambda a: a.service)}

        async def one(service: str) -> None:
            try:
                if service in credentials:
                    await self._create_credentials(key, meta, credentials[service])
                await self._apply_all(key, meta, applies.get(service, ()))
            except ClusterError as error:
                logger.warning("%s: %s: %s", key, service, error)
                failures[service] = ApplyFailure(error.reason, error.message)

        try:
            async with asyncio.TaskGroup() as group:
                for service in dict.fromkeys((*credentials, *applies)):
                    group.create_task(one(service))
        except ExceptionGroup as errors:
            if errors.subgroup(NotLeaderError):
                raise NotLeaderError from errors
            raise
        return failures

    async def _apply_all(self, key: Key, meta: ObjectMeta, applies: Iterable[Apply]) -> None:
        applies = tuple(applies)
        await _side_by_side(self._refuse_foreign(key, meta, apply) for apply in applies if not apply.exists)
        for seen, group in groupby(applies, lambda apply: apply.seen is not None):
            if seen:
                for apply in group:
                    await self._apply_one(key, apply)
            else:
                # Each write after another would add to the time of a start, at every service on its path.
                await _side_by_side(self._apply_one(key, apply) for apply in group)

    async def _apply_one(self, key: Key, apply: Apply) -> None:
        self._cache.put(await self._apply(key, apply))

    async def _apply(self, key: Key, apply: Apply) -> Mapping[str, Any]:
        logger.info("%s: apply %s", key, apply.ref)
        if apply.seen is None:
            self._write(apply.ref.kind, "apply")
            return await self._cluster.apply(key.namespace, apply.manifest)
        seen, replicas = apply.seen, apply.hand_over_replicas
        if replicas is not None:
            seen = await self._as_seen(
                "apply",
                seen,
                _same_spec,
                lambda version: self._cluster.hand_over_replicas(key.namespace, apply.ref, version, replicas),
            )
        try:
            return await self._as_seen(
                "apply",
                seen,
                _same_spec,
                lambda version: self._cluster.apply(key.namespace, _of_version(apply.manifest, version)),
            )
        except InvalidError:
            live = await self._reread(seen, _same_spec)
            if not (changes := repairs(apply.manifest, live)):
                raise
            self._write(apply.ref.kind, "repair")
            return await self._cluster.apply_repaired(key.namespace, apply.manifest, live, changes)

    async def _refuse_foreign(self, key: Key, meta: ObjectMeta, apply: Apply) -> None:
        """An apply would take over an object of the same name; the cache holds only ours."""
        try:
            existing = await self._cluster.get(key.namespace, apply.ref)
        except NotFoundError:
            return
        if not (is_owned_by(existing, meta.uid) or was_made_for(existing, meta.name)):
            raise ForeignObjectError(str(apply.ref))

    async def _create_credentials(self, key: Key, meta: ObjectMeta, action: CreateCredentials) -> None:
        """A new random password, unless there is a Secret already. ragops cannot read Secrets."""
        self._write("Secret", "create")
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": action.name,
                "labels": common_labels(meta.name, action.service),
                "ownerReferences": [owner_reference(meta)],
            },
            "immutable": True,
            "type": "Opaque",
            "stringData": {"password": secrets.token_urlsafe(24)},
        }
        try:
            await self._cluster.create(key.namespace, manifest)
        except ConflictError:
            logger.debug("%s: the Secret %s exists", key, action.name)

    async def _delete(self, key: Key, delete: Delete) -> None:
        self._write(delete.ref.kind, "delete")
        logger.info("%s: delete %s", key, delete.ref)
        try:
            await self._cluster.delete(key.namespace, delete.ref, delete.uid)
        except NotFoundError:
            logger.debug("%s: %s is gone already", key, delete.ref)

    async def _scale(self, key: Key, scale: Scale) -> None:
        decision = scale.decision
        logger.info(
            "%s: scale %s to %d (%s: %s)", key, scale.ref, decision.desired, decision.reason, decision.message
        )
        await self._as_seen(
            "scale",
            scale.seen,
            _same_replicas,
            lambda version: self._cluster.scale(key.namespace, scale.ref, version, decision.desired),
        )
        SCALINGS.labels(decision.action, decision.reason).inc()
        # The next pass must not decide from the replicas of before.
        self._cache.put(await self._cluster.get(key.namespace, scale.ref))

    async def _annotate(self, key: Key, annotate: Annotate) -> None:
        self._write("Pod", "annotate")
        try:
            pod = await self._cluster.annotate(
                key.namespace, annotate.pod, annotate.uid, {CONFIG_ANNOTATION: annotate.content}
            )
        except (NotFoundError, ConflictError):
            logger.debug("%s: the pod %s is gone", key, annotate.pod)
        else:
            self._cache.put(pod)

    async def _as_seen(
        self, verb: str, seen: Manifest, is_same: Unchanged, write: Callable[[str], Awaitable[T]]
    ) -> T:
        """A write to the version of an object that was planned with. A change of what the plan does not rest
        on, such as status, costs another attempt. After any other, as by a replica that led before, the write
        would undo it: it is refused, and the pass is repeated with what is there now.
        """
        for _ in range(ATTEMPTS - 1):
            self._write(seen["kind"], verb)
            try:
                return await write(_version_of(seen))
            except ConflictError:
                seen = await self._reread(seen, is_same)
        self._write(seen["kind"], verb)
        return await write(_version_of(seen))

    async def _reread(self, seen: Manifest, is_same: Unchanged) -> Manifest:
        """The object as it is now, for the cache too. Raises ConflictError where the plan is out of date."""
        live = await self._cluster.get(seen["metadata"]["namespace"], ref_of(seen))
        self._cache.put(live)
        if not is_same(seen, live):
            raise ConflictError("Conflict", f"{ref_of(seen)} has changed since it was looked at")
        return live

    def _write(self, kind: str, verb: str) -> None:
        """Called before every write: the lease must be held now."""
        self._leadership.check()
        WRITES.labels(kind, verb).inc()


async def _side_by_side(awaitables: Iterable[Awaitable[None]]) -> None:
    """All of them to their end; then the first error is raised."""
    for result in await asyncio.gather(*awaitables, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _same_spec(seen: Manifest, live: Manifest) -> bool:
    """Nothing but status and metadata can have changed."""
    one, other = seen["metadata"], live["metadata"]
    if one.get("uid") != other.get("uid") or one.get("generation") != other.get("generation"):
        return False
    # A Service has no generation, nor has a ConfigMap.
    return "generation" in one or all(seen.get(part) == live.get(part) for part in ("spec", "data"))


def _same_replicas(seen: Manifest, live: Manifest) -> bool:
    """Nobody has scaled the workload."""
    one, other = (obj["spec"].get("replicas", 1) for obj in (seen, live))
    return bool(one == other and seen["metadata"].get("uid") == live["metadata"].get("uid"))


def _version_of(obj: Manifest) -> str:
    return str(obj["metadata"].get("resourceVersion", 0))


def _of_version(manifest: Manifest, version: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}
