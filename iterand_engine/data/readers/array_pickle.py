"""Unpickle dictionaries of arrays and nothing else.

CIFAR is published as Python 2 pickles, and a pickle can name any function to call. Here the only names that
resolve are those an array is rebuilt with, and they resolve to the inert stand-ins below: numpy itself never
sees the pickle's instructions. Any other name, and any odd use of these, is refused.

Source: the "Restricting Globals" section of Python's pickle documentation; numpy's `ndarray.__reduce__`.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBER_CODES = frozenset(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)) | {"f4", "f8", "b1"}


class _Dtype:
    """Stands for `numpy.dtype`: a plain number type."""

    def __init__(self, code: object, *_: object) -> None:
        if code not in _NUMBER_CODES:
            raise pickle.UnpicklingError(f"it holds an array of type {code!r}")
        self.dtype = np.dtype(str(code))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(">" if state[1] == ">" else "<")


class _Array:
    """Stands for `numpy.ndarray` and for the function that makes an empty one, which its state then fills."""

    def __init__(self, *_: object) -> None:
        self.value: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, raw = state
        if not isinstance(kind, _Dtype) or not isinstance(raw, (bytes, str)):
            raise pickle.UnpicklingError("it holds an array of objects")
        data = raw.encode("latin1") if isinstance(raw, str) else raw
        self.value = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if fortran else "C")


class _Latin1:
    """Stands for `_codecs.encode`, with which Python 3 writes bytes at protocol 2."""

    def __new__(cls, text: object, encoding: object) -> bytes:  # type: ignore[misc]  # it stands for a function
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError(f"it wants the encoding {encoding!r}")
        return text.encode("latin1")

    def __setstate__(self, state: object) -> None:  # so that a pickle cannot set attributes of the class
        raise pickle.UnpicklingError("it sets the state of a function")


_ALLOWED: dict[tuple[str, str], type] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Latin1,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it wants to call {module}.{name}")
        return _ALLOWED[module, name]


def load_arrays(data: bytes) -> dict[str, Any]:
    """Rebuild a pickled dictionary of arrays, numbers, texts and lists.

    Args:
        data: a pickle; texts of Python 2 are read as latin-1.
    Returns:
        The dictionary, with texts as keys and read-only arrays among its values.
    Raises:
        ValueError: the data is no complete pickle, is no dictionary, or wants anything but arrays built.
    """
    try:
        content = _ArrayUnpickler(io.BytesIO(data), encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise ValueError(str(error) or "the pickle is cut short") from None
    if not isinstance(content, dict):
        raise ValueError("it does not hold a dictionary")
    return {_text(key): value.value if isinstance(value, _Array) else value for key, value in content.items()}


def _text(key: object) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)
