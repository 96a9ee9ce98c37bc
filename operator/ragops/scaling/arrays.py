"""Arrays of floats that go into JSON and come back as they were."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator


def _array(value: Any) -> NDArray[np.float64]:
    return np.asarray(value, dtype=np.float64)


def _lists(array: NDArray[np.float64]) -> Any:
    return array.tolist()


Floats = Annotated[NDArray[np.float64], PlainValidator(_array), PlainSerializer(_lists)]
