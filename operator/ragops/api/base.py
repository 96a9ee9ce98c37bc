"""The base of all models: camelCase on the wire, immutable, unknown fields refused."""

from decimal import Decimal
from enum import StrEnum
from string import ascii_letters
from typing import Annotated, Any, ClassVar, Final, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ragops.api.rules import IntOrString, Rule


class Model(BaseModel):
    """A part of the API object."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    cel: ClassVar[tuple[Rule, ...]] = ()
    """What must hold across the fields."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        if cls.cel:
            own = handler.resolve_ref_schema(schema)
            own["x-kubernetes-validations"] = [rule.to_schema() for rule in cls.cel]
        return schema

    def to_wire(self) -> dict[str, Any]:
        """The JSON form that the API server stores: camelCase, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ServiceType(StrEnum):
    """The kinds of services that make a RAG system."""

    VECTOR_STORE = "VectorStore"
    EMBEDDINGS = "Embeddings"
    DOCUMENT_PROCESSOR = "DocumentProcessor"
    RETRIEVAL = "Retrieval"
    GENERATION = "Generation"
    ORCHESTRATION_API = "OrchestrationAPI"


DNS_LABEL: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
OBJECT_NAME: Final = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"
SECRET_KEY: Final = r"^[-._a-zA-Z0-9]+$"
QUANTITY: Final = r"^([0-9]+([.][0-9]+)?|[.][0-9]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
ENV_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"
# A printable reference without spaces, quotes or control characters: it cannot leave its place in a manifest.
IMAGE: Final = r"^[a-zA-Z0-9][-a-zA-Z0-9._:/@]*$"
MODEL_NAME: Final = r"^[-a-zA-Z0-9._/]+$"
HOST_NAME: Final = r"^[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?$"
HEADER_NAME: Final = r"^[-A-Za-z0-9]+$"
# What RFC 6265 calls a token, without the signs that mean something elsewhere.
COOKIE_NAME: Final = r"^[-_A-Za-z0-9]+$"
HTTP_PATH: Final = r"^/([-a-zA-Z0-9_~][-a-zA-Z0-9._~]*/?)*$"
METRIC_NAME: Final = r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"
HTTP_URL: Final = r"^https?://[^\s\"'<>\\{}]+$"

PATTERN_MEANINGS: Final[dict[str, str]] = {
    DNS_LABEL: "lower-case letters, digits and '-', beginning with a letter, ending with a letter or digit",
    OBJECT_NAME: "lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit",
    SECRET_KEY: "letters, digits, '-', '_' and '.'",
    QUANTITY: "a quantity such as 250m, 2 or 1Gi: digits and a unit (none, m, k, M, G, T, Ki, Mi, Gi, Ti)",
    ENV_NAME: "letters, digits and '_', not beginning with a digit",
    IMAGE: "an image reference such as registry.example/team/image:tag, without spaces",
    MODEL_NAME: "letters, digits, '-', '_', '.' and '/'",
    HOST_NAME: "a host name such as db.example.com, without scheme and port",
    HEADER_NAME: "letters, digits and '-'",
    COOKIE_NAME: "letters, digits, '-' and '_'",
    HTTP_PATH: "a path such as /readyz: '/', letters, digits, '-', '_', '~', '.', no part beginning with '.'",
    METRIC_NAME: "the name of a Prometheus metric: letters, digits, '_' and ':', not beginning with a digit",
    HTTP_URL: "a URL that begins with http:// or https://, without spaces, quotes, brackets or backslashes",
}
"""What a text must be, for people, as the end of "must be ..."."""

ServiceName = Annotated[str, Field(pattern=DNS_LABEL, max_length=40)]
ObjectName = Annotated[str, Field(pattern=OBJECT_NAME, max_length=253)]


def _quantity_text(value: object) -> object:
    """YAML turns `cpu: 1` into a whole number; the API server keeps what it gets (int-or-string)."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Quantity = Annotated[
    str, Field(pattern=QUANTITY, max_length=32), BeforeValidator(_quantity_text), IntOrString()
]
"""A Kubernetes quantity: a number with an optional unit, such as 250m, 2 or 1Gi."""

_UNITS: Final = {
    "m": Decimal("0.001"),
    **{unit: Decimal(1000**power) for power, unit in enumerate(["", "k", "M", "G", "T", "P", "E"])},
    **{unit: Decimal(1024**power) for power, unit in enumerate(["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"], 1)},
}


def quantity_value(quantity: str) -> Decimal:
    """The number that a Quantity stands for: cores for CPU, bytes for memory and storage."""
    number = quantity.rstrip(ascii_letters)
    return Decimal(number) * _UNITS[quantity.removeprefix(number)]


class SecretKeyRef(Model):
    """A key of a Secret in the same namespace. Mounted or injected by the kubelet, never read by ragops."""

    name: ObjectName
    """Name of the Secret."""
    key: Annotated[str, Field(pattern=SECRET_KEY, max_length=253)]
    """Key inside the Secret."""


class LocalRef(Model):
    """An object in the same namespace, by name."""

    name: ObjectName
    """Name of the object."""


def nested_model(annotation: Any) -> type[Model] | None:
    """The model inside a field's annotation, through Annotated, Optional and list; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in get_args(annotation) if (found := nested_model(part))), None)
