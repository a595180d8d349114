"""How masks are stored: the one layout of epoch files, exports and the networks that runs leave. numpy only.

A mask has one code for each weight of its layer, an unsigned integer of `bits` bits, and the value that
multiplies the weight is offset + gain * code. Codes are packed without gaps: row-major, each with its highest
bit first, first bit highest in its byte, the last byte filled up with zeros. A header, JSON text, has the
version and for each layer, in order, its name, kind, bits, gain, offset and shape. Each kind of file decides
where header and packed codes lie (docs/exports.md). Version 1 had three layouts, which are still read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 2
PER_WEIGHT = "per-weight"  # one code for each weight; the only kind so far
MAX_BITS = 8

Packed = NDArray[np.uint8]
Arrays = Mapping[str, NDArray[Any]]


class UnknownMaskError(Exception):
    """A stored mask of a kind that this program does not know; the text names the kind and those allowed."""


@dataclass(frozen=True)
class LayerMask:
    """The mask of one layer: packed codes, the weight's shape, and what the codes mean."""

    packed: Packed
    shape: tuple[int, ...]
    bits: int = 1
    gain: float = 1.0
    offset: float = 0.0

    @property
    def codes(self) -> NDArray[np.uint8]:
        """Unpack the code of each weight, in the weight's shape."""
        flat: Packed = np.unpackbits(self.packed, count=self.bits * math.prod(self.shape))
        if self.bits > 1:
            flat = np.packbits(flat.reshape(-1, self.bits), axis=1)[:, 0] >> np.uint8(8 - self.bits)
        return flat.reshape(self.shape)

    @property
    def values(self) -> NDArray[np.float32]:
        """Compute the factor of each weight, in the weight's shape."""
        return self._by_code.astype(np.float32)[self.codes]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Compute a bool in the weight's shape: True where the weight is kept, i.e. its factor is not 0."""
        is_kept: NDArray[np.bool_] = self._by_code != 0
        return is_kept[self.codes]

    @property
    def is_plain(self) -> bool:
        """Whether each code is one bit, 1 for a kept weight, as in all masks of version 1."""
        return (self.bits, self.gain, self.offset) == (1, 1.0, 0.0)

    @property
    def meaning(self) -> tuple[object, ...]:
        """Everything but the codes; if it is equal, the codes of two masks can be compared."""
        return (self.shape, self.bits, self.gain, self.offset)

    @property
    def _by_code(self) -> NDArray[np.float64]:
        return self.offset + self.gain * np.arange(2**self.bits, dtype=np.float64)


def pack_kept(kept: NDArray[np.bool_]) -> LayerMask:
    """Pack a mask that keeps (True) or removes each weight."""
    return LayerMask(np.packbits(kept.reshape(-1)), kept.shape)


def pack_codes(codes: NDArray[np.uint8], *, bits: int, gain: float, offset: float) -> LayerMask:
    """Pack a mask of small integers below 2**bits; the value of each is offset + gain * code."""
    spread = np.unpackbits(codes.reshape(-1, 1) << np.uint8(8 - bits), axis=1, count=bits)
    return LayerMask(np.packbits(spread.reshape(-1)), codes.shape, bits, gain, offset)


def write_header(masks: Mapping[str, LayerMask], **facts: object) -> str:
    """Write the header of masks by layer name, with further facts, as JSON text."""
    layers = [
        {
            "name": name,
            "kind": PER_WEIGHT,
            "bits": mask.bits,
            "gain": mask.gain,
            "offset": mask.offset,
            "shape": list(mask.shape),
        }
        for name, mask in masks.items()
    ]
    return json.dumps({"version": VERSION, **facts, "layers": layers})


def read_header(header: Mapping[str, Any], packed: Callable[[int, str], Packed]) -> dict[str, LayerMask]:
    """Make the masks that a header describes, by layer name.

    Args:
        header: the parsed header, of this version, or of version 1, which has only the shapes by name.
        packed: gives the packed codes of a layer by its place in the header and its name.
    Raises:
        UnknownMaskError: version, kind or number of bits are unknown.
        ValueError, LookupError, TypeError, AttributeError: the header is damaged, or codes are missing.
    """
    version = header.get("version", 1)
    if version == 1:
        layers = [(name, LayerMask(_NO_CODES, _shape(name, s))) for name, s in header["shapes"].items()]
    elif version == VERSION:
        layers = [(str(one["name"]), _described(one)) for one in header["layers"]]
    else:
        raise UnknownMaskError(
            f"the masks are of version {version!r}, and this program reads versions 1 to {VERSION}; use the "
            "version of the program that wrote them"
        )
    masks: dict[str, LayerMask] = {}
    for index, (name, one) in enumerate(layers):
        codes = packed(index, name)
        if name in masks or codes.dtype != np.uint8:
            raise ValueError(f"the masks of {name!r} are there twice, or not bytes")
        if codes.shape != (-(-one.bits * math.prod(one.shape) // 8),):
            raise ValueError(f"the masks of {name!r} are not of the shape {one.shape}")
        masks[name] = LayerMask(codes, one.shape, one.bits, one.gain, one.offset)
    return masks


def to_arrays(masks: Mapping[str, LayerMask], **facts: object) -> dict[str, NDArray[Any]]:
    """Give masks as arrays of an npz file: `header`, and `mask_i` for the layer i."""
    header = np.frombuffer(write_header(masks, **facts).encode(), dtype=np.uint8)
    return {"header": header, **{f"mask_{i}": one.packed for i, one in enumerate(masks.values())}}


def from_arrays(file: Arrays) -> tuple[dict[str, LayerMask], Mapping[str, Any]]:
    """Read the masks of an npz file by layer name, and its header; errors as `read_header`.

    Version 1 had epoch files with `mask{i}`, and exports without a header, with `names` and `shape_i`.
    """
    if "header" not in file:
        shapes = {str(name): file[f"shape_{i}"].tolist() for i, name in enumerate(file["names"])}
        header: Mapping[str, Any] = {"epoch": int(file["epoch"]), "key": True, "shapes": shapes}
        return read_header(header, lambda index, _: file[f"mask_{index}"]), header
    header = json.loads(bytes(file["header"].tolist()))
    prefix = "mask_" if "version" in header else "mask"
    return read_header(header, lambda index, _: file[f"{prefix}{index}"]), header


_NO_CODES: Packed = np.empty(0, np.uint8)


def _described(layer: Mapping[str, Any]) -> LayerMask:
    """Make a layer's mask from the header's entry, without its codes."""
    name, kind, bits = layer["name"], layer["kind"], layer["bits"]
    if kind != PER_WEIGHT:
        raise UnknownMaskError(
            f"the mask of {name!r} is of the kind {kind!r}, and this program knows {PER_WEIGHT} alone; use "
            "the version of the program that wrote it"
        )
    if type(bits) is not int or not 1 <= bits <= MAX_BITS:
        raise UnknownMaskError(
            f"the mask of {name!r} has {bits!r} bits for each weight, and this program reads 1 to "
            f"{MAX_BITS}; use the version of the program that wrote it"
        )
    gain, offset = float(layer["gain"]), float(layer["offset"])
    if not (math.isfinite(gain) and math.isfinite(offset)):
        raise ValueError(f"gain and offset of {name!r} are {gain} and {offset}, and must be finite")
    return LayerMask(_NO_CODES, _shape(name, layer["shape"]), bits, gain, offset)


def _shape(name: str, sizes: object) -> tuple[int, ...]:
    if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError(f"the shape of {name!r} is {sizes!r}")
    return tuple(sizes)
