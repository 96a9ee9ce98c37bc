"""The one exception of this tool."""


class ClusterError(Exception):
    """Something a person has to mend; the text says what is wrong and how to mend it."""
