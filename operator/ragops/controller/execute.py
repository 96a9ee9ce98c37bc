"""Carries out a plan: only what differs is written, every write is fenced by the lease, status comes last."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import groupby
from typing import Any, Final, TypeVar

from ragops.api.names import common_labels
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
from ragops.orchestration.actions import Apply, CreateCredentials, Delete, Plan, Scale
from ragops.orchestration.observation import ApplyFailure
from ragops.resources.child import ChildRef, Manifest, is_owned_by, owner_reference, was_made_for
from ragops.resources.difference import repairs
from ragops.telemetry.metrics import SCALINGS, WRITES

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 4
"""Of a write to an object that others change at the same moment."""

T = TypeVar("T")


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
        """Services side by side; the children of one in their order."""
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
        await asyncio.gather(
            *(self._refuse_foreign(key, meta, apply) for apply in applies if not apply.exists)
        )
        for apply in applies:
            if apply.hand_over_replicas is not None:
                self._write(apply.ref.kind, "apply")
                await self._cluster.hand_over_replicas(key.namespace, apply.ref, apply.hand_over_replicas)
            self._cache.put(await self._apply(key, apply))

    async def _apply(self, key: Key, apply: Apply) -> Mapping[str, Any]:
        logger.info("%s: apply %s", key, apply.ref)
        try:
            if not apply.exists:
                self._write(apply.ref.kind, "apply")
                return await self._cluster.apply(key.namespace, apply.manifest)
            return await self._as_seen(
                key,
                apply.ref,
                "apply",
                lambda version: self._cluster.apply(key.namespace, _of_version(apply.manifest, version)),
            )
        except InvalidError:
            live = await self._cluster.get(key.namespace, apply.ref) if apply.exists else {}
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
            key,
            scale.ref,
            "scale",
            lambda version: self._cluster.scale(key.namespace, scale.ref, version, decision.desired),
        )
        SCALINGS.labels(decision.action, decision.reason).inc()
        # The next pass must not decide from the replicas of before.
        self._cache.put(await self._cluster.get(key.namespace, scale.ref))

    async def _as_seen(self, key: Key, ref: ChildRef, verb: str, write: Callable[[str], Awaitable[T]]) -> T:
        """A write to the version of an object that was seen last. One that was held up on its way, and
        arrives when another replica has acted, is refused; a change by others costs another attempt.
        """
        version = self._cache.version_of(key, ref)
        for _ in range(ATTEMPTS - 1):
            self._write(ref.kind, verb)
            try:
                return await write(version)
            except ConflictError:
                live = await self._cluster.get(key.namespace, ref)
                self._cache.put(live)
                version = live["metadata"]["resourceVersion"]
        self._write(ref.kind, verb)
        return await write(version)

    def _write(self, kind: str, verb: str) -> None:
        """Called before every write: the lease must be held now."""
        self._leadership.check()
        WRITES.labels(kind, verb).inc()


def _of_version(manifest: Manifest, version: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}
