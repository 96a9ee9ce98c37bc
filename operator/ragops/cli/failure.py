"""What a command ends with when it cannot do what it was asked for."""


class Failure(Exception):
    """One line for people: what is wrong, and what to do."""


class UnknownNameFailure(Failure):
    """There is no RAGDeployment of that name."""
