"""The real API server, as far as RAGDeployments go."""

import json
from dataclasses import dataclass
from typing import Any

from kubernetes.client import CustomObjectsApi
from kubernetes.client.exceptions import ApiException

from ragops.api.names import GROUP, PLURAL, VERSION

from .cases import Object


class Refused(Exception):
    """The API server said no; the text is its message."""

    def __init__(self, status: Object) -> None:
        super().__init__(status["message"])
        causes = status.get("details", {}).get("causes", [])
        self.causes: list[str] = [cause["message"] for cause in causes]
        """Each fault by itself."""


@dataclass(frozen=True)
class Server:
    """The API server, for RAGDeployments in one namespace."""

    api: CustomObjectsApi
    namespace: str

    def create(self, raw: Object, dry_run: bool = True) -> Object:
        """The object as it is, or would be, stored. Raises Refused."""
        return self._call(
            self.api.create_namespaced_custom_object, body=raw, dry_run="All" if dry_run else None
        )

    def change(self, before: Object, raw: Object) -> Object:
        """The object as it would be stored over `before`, which is stored for as long as it takes."""
        stored = self.create(before, dry_run=False)
        meta = {**stored["metadata"], "name": stored["metadata"]["name"]}
        try:
            return self._call(
                self.api.replace_namespaced_custom_object,
                name=meta["name"],
                body={**raw, "metadata": meta},
                dry_run="All",
            )
        finally:
            self._call(self.api.delete_namespaced_custom_object, name=meta["name"])

    def _call(self, operation: Any, **arguments: Any) -> Object:
        given = {key: value for key, value in arguments.items() if value is not None}
        if "body" in given:
            given["field_validation"] = "Strict"
        try:
            result: Object = operation(GROUP, VERSION, self.namespace, PLURAL, **given)
        except ApiException as error:
            raise Refused(json.loads(error.body)) from None
        return result
