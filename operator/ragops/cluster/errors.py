"""What can go wrong with a request to the API server: one exception tree."""


class ClusterError(Exception):
    """A request failed. `reason` is Kubernetes' own word for it, such as Forbidden or Invalid."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class NotFoundError(ClusterError):
    """The object does not exist."""


class NotServedError(ClusterError):
    """The API server does not know this kind of object."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(
            "NotServed",
            f"the API server does not know {kind} ({api_version}): "
            "install its CustomResourceDefinition or API service first",
        )


class InvalidError(ClusterError):
    """The API server refuses what the object would be."""


class ConflictError(ClusterError):
    """The object exists already, or was changed meanwhile."""


class UnavailableError(ClusterError):
    """The API server could not be reached, was too busy, or did not answer in time."""


class ForeignObjectError(ClusterError):
    """An object of this name exists and is not ours."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "NameTaken",
            f"{what} exists and does not belong to this RAGDeployment: "
            "delete or rename it, or rename the service",
        )


class NotLeaderError(Exception):
    """The lease was lost: another replica may be acting, so this one must not write."""
