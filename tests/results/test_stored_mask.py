"""The one layout of stored masks: it reads back, as released files do, and refuses what it does not know."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import save

from iterand_engine.errors import UserError
from iterand_engine.results import stored_mask
from iterand_engine.results.epoch_masks import EpochMasks, epoch_path, read_epoch, stored_epochs, write_epoch
from iterand_engine.results.mask_export import masks_bytes
from iterand_engine.results.stored_mask import LayerMask, UnknownMaskError, pack_codes, pack_kept
from iterand_engine.training import final_state
from tests.results.make_released_masks import EPOCHS, RELEASED

VERSIONS = range(1, stored_mask.VERSION + 1)


def released(version: int) -> tuple[Path, dict[str, Any]]:
    folder = RELEASED.parent / f"masks-{version}"
    return folder, json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def assert_as_expected(layers: Mapping[str, LayerMask], epoch: int, expected: dict[str, Any]) -> None:
    assert list(layers) == list(expected["shapes"])
    for name, mask in layers.items():
        assert list(mask.shape) == expected["shapes"][name]
        assert mask.is_plain
        assert np.flatnonzero(mask.kept).tolist() == expected["kept"][str(epoch)][name]
        np.testing.assert_array_equal(mask.values, mask.kept.astype(np.float32))


# released files


def test_that_the_version_that_is_written_was_released() -> None:
    kept = [int(folder.name.removeprefix("masks-")) for folder in RELEASED.parent.glob("masks-*")]
    assert max(kept) == stored_mask.VERSION


@pytest.mark.parametrize("version", VERSIONS)
def test_that_released_epoch_files_are_read_bit_for_bit(version: int) -> None:
    folder, expected = released(version)
    assert tuple(stored_epochs(folder / "masks")) == EPOCHS
    for epoch in EPOCHS:
        assert_as_expected(read_epoch(folder / "masks", epoch).layers, epoch, expected)
    histograms = read_epoch(folder / "masks", EPOCHS[-1]).histograms
    assert {name: one.threshold for name, one in histograms.items()} == expected["thresholds"]


@pytest.mark.parametrize("version", VERSIONS)
def test_that_a_released_export_is_read_bit_for_bit(version: int) -> None:
    folder, expected = released(version)
    with np.load(folder / "export.npz", allow_pickle=False) as file:
        layers, header = stored_mask.from_arrays(file)
    assert header["epoch"] == EPOCHS[-1]
    assert_as_expected(layers, EPOCHS[-1], expected)


@pytest.mark.parametrize("version", VERSIONS)
def test_that_a_released_network_is_read_bit_for_bit_and_its_digest_stays(version: int) -> None:
    folder, expected = released(version)
    state = final_state.read(folder / "final.safetensors")
    assert_as_expected(state.masks, EPOCHS[-1], expected)
    assert final_state.digest(state) == expected["digest"]
    for name, weight in final_state.pruned_state_dict(state).items():
        kept = expected["kept"][str(EPOCHS[-1])].get(name)
        if kept is not None:
            assert weight.reshape(-1).nonzero()[:, 0].tolist() == kept


def test_that_the_layout_did_not_change_the_digest() -> None:
    assert len({released(version)[1]["digest"] for version in VERSIONS}) == 1


def test_that_a_run_of_an_older_program_goes_on_in_its_folder(tmp_path: Path) -> None:
    folder, expected = released(1)
    for epoch in EPOCHS:
        path = epoch_path(tmp_path, epoch)
        path.write_bytes(epoch_path(folder / "masks", epoch).read_bytes())
    before = read_epoch(tmp_path, EPOCHS[-1])
    layers = {name: pack_kept(~mask.kept) for name, mask in before.layers.items()}
    write_epoch(tmp_path, EpochMasks(12, layers, {}), before)
    for name, mask in read_epoch(tmp_path, 12).layers.items():
        np.testing.assert_array_equal(mask.kept, ~before.layers[name].kept)
    assert_as_expected(read_epoch(tmp_path, 11).layers, 11, expected)


def test_that_version_1_scripts_read_exports_of_kept_weights_and_refuse_others() -> None:
    kept = np.eye(3, 5, dtype=bool)
    with np.load(io.BytesIO(masks_bytes(EpochMasks(4, {"fc.weight": pack_kept(kept)}, {})))) as file:
        shape = file["shape_0"]
        found = np.unpackbits(file["mask_0"], count=shape.prod()).reshape(shape).astype(bool)
        assert (file["names"].tolist(), int(file["epoch"])) == (["fc.weight"], 4)
        np.testing.assert_array_equal(found, kept)
    ternary = pack_codes(np.array([[0, 1, 2]], np.uint8), bits=2, gain=1, offset=-1)
    with np.load(io.BytesIO(masks_bytes(EpochMasks(4, {"fc.weight": ternary}, {})))) as file:
        assert "names" not in file
        layers, _ = stored_mask.from_arrays(file)
    assert layers["fc.weight"].values.tolist() == [[-1, 0, 1]]


# masks of more than bits


@given(st.data(), st.integers(1, 8), st.lists(st.integers(0, 5), max_size=3).map(tuple))
def test_that_codes_of_any_width_come_back(data: st.DataObject, bits: int, shape: tuple[int, ...]) -> None:
    count = math.prod(shape)
    drawn = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=count, max_size=count))
    codes = np.array(drawn, np.uint8).reshape(shape)
    mask = pack_codes(codes, bits=bits, gain=0.5, offset=-1.0)
    text = "".join(f"{code:0{bits}b}" for code in drawn)
    assert mask.packed.tolist() == [int(text[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(text), 8)]
    layers, _ = stored_mask.from_arrays(stored_mask.to_arrays({"a": mask}))
    np.testing.assert_array_equal(layers["a"].codes, codes)
    np.testing.assert_array_equal(layers["a"].values, 0.5 * codes.astype(np.float32) - 1)
    np.testing.assert_array_equal(layers["a"].kept, codes != 2)


def test_that_epochs_of_small_integers_are_differences_too(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    epochs = [generator.integers(0, 8, (7, 3), np.uint8) for _ in range(12)]
    previous = None
    for epoch, codes in enumerate(epochs):
        masks = EpochMasks(epoch, {"a": pack_codes(codes, bits=3, gain=0.25, offset=-1)}, {})
        write_epoch(tmp_path, masks, previous)
        previous = masks
    for epoch, codes in enumerate(epochs):
        found = read_epoch(tmp_path, epoch).layers["a"]
        np.testing.assert_array_equal(found.codes, codes)
        assert (found.bits, found.gain, found.offset) == (3, 0.25, -1)


def test_that_a_mask_of_other_meaning_than_that_before_stands_alone(tmp_path: Path) -> None:
    codes = np.array([0, 1, 2, 3], np.uint8)
    one = EpochMasks(1, {"a": pack_codes(codes, bits=2, gain=1, offset=0)}, {})
    other = EpochMasks(2, {"a": pack_codes(codes, bits=2, gain=1, offset=-1)}, {})
    write_epoch(tmp_path, one, None)
    write_epoch(tmp_path, other, one)
    epoch_path(tmp_path, 1).unlink()
    assert read_epoch(tmp_path, 2).layers["a"].values.tolist() == [-1, 0, 1, 2]


# what is not known, or not whole


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """The header of one mask, changed."""
    header = json.loads(stored_mask.write_header({"fc.weight": ONE}, epoch=0, key=True))
    change(header)
    return json.dumps(header)


ONE = pack_kept(np.eye(3, 5, dtype=bool))
UNKNOWN: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (
        lambda header: header.update(version=3),
        "the masks are of version 3, and this program reads versions 1 to 2; use the version of the program "
        "that wrote them",
    ),
    (
        lambda header: header["layers"][0].update(kind="per-channel"),
        "the mask of 'fc.weight' is of the kind 'per-channel', and this program knows per-weight alone",
    ),
    *[
        (
            lambda header, bits=bits: header["layers"][0].update(bits=bits),
            f"the mask of 'fc.weight' has {bits!r} bits for each weight, and this program reads 1 to 8",
        )
        for bits in (0, 9, 1.5, True)
    ],
]
DAMAGED: list[Callable[[dict[str, Any]], object]] = [
    lambda header: header.pop("layers"),
    lambda header: header["layers"][0].pop("gain"),
    lambda header: header["layers"][0].update(gain="much"),
    lambda header: header["layers"][0].update(offset=math.inf),
    lambda header: header["layers"][0].update(shape=[-3, -5]),
    lambda header: header["layers"][0].update(shape=[3, 6]),
    lambda header: header["layers"][0].update(shape=15),
    lambda header: header["layers"][0].update(bits=2),
    lambda header: header["layers"].append(header["layers"][0]),
    lambda header: header["layers"].append({**header["layers"][0], "name": "other"}),
    lambda header: header.update(layers=7),
]


def write_files(folder: Path, header: str) -> tuple[Path, Path]:
    """An epoch file and a network with this header."""
    bits: NDArray[np.uint8] = np.frombuffer(header.encode(), np.uint8)
    np.savez(epoch_path(folder, 0), header=bits, mask_0=ONE.packed)
    network = folder / "final.safetensors"
    state = torch.from_numpy(ONE.packed.copy())
    network.write_bytes(save({"mask/fc.weight": state}, metadata={"masks": header}))
    return epoch_path(folder, 0), network


@pytest.mark.parametrize(("change", "said"), UNKNOWN)
def test_that_what_is_not_known_is_refused_by_name(
    change: Callable[[dict[str, Any]], object], said: str, tmp_path: Path
) -> None:
    epoch, network = write_files(tmp_path, changed(change))
    with pytest.raises(UserError) as caught:
        read_epoch(tmp_path, 0)
    assert str(caught.value).startswith(f"Cannot read the masks in {epoch}: {said}")
    with pytest.raises(UserError) as caught:
        final_state.read(network)
    assert str(caught.value).startswith(f"Cannot read {network}: {said}")
    with np.load(epoch) as file, pytest.raises(UnknownMaskError, match="this program"):
        stored_mask.from_arrays(file)


@pytest.mark.parametrize("change", DAMAGED)
def test_that_a_header_that_cannot_be_is_damage(
    change: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    _, network = write_files(tmp_path, changed(change))
    with pytest.raises(UserError, match="the file is damaged"):
        read_epoch(tmp_path, 0)
    with pytest.raises(UserError, match="the file is damaged"):
        final_state.read(network)


def test_that_an_unchanged_header_is_read(tmp_path: Path) -> None:
    _, network = write_files(tmp_path, changed(lambda header: None))
    np.testing.assert_array_equal(read_epoch(tmp_path, 0).layers["fc.weight"].kept, ONE.kept)
    np.testing.assert_array_equal(final_state.read(network).masks["fc.weight"].kept, ONE.kept)
