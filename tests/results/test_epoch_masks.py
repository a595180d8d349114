"""Masks of the epochs on disk: read as written, each file on the one before, and damage is reported."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from iterand_engine.errors import UserError
from iterand_engine.pruning.selection import kept_mask
from iterand_engine.results.epoch_masks import (
    KEY_EVERY,
    EpochMasks,
    Histogram,
    epoch_path,
    read_epoch,
    stored_epochs,
    write_epoch,
)
from iterand_engine.results.stored_mask import pack_kept
from iterand_engine.training.mask_snapshot import BINS, snapshot_masks
from tests.training_tasks import ListSink, config_of, task_of, train

Masks = dict[str, NDArray[np.bool_]]
SHAPES = {"conv.weight": (3, 2, 3, 3), "fc.weight": (5, 7), "one.weight": (1,)}


def random_masks(seed: int, kept: float = 0.4) -> Masks:
    generator = np.random.default_rng(seed)
    return {name: generator.random(shape) < kept for name, shape in SHAPES.items()}


def as_epoch(epoch: int, masks: Masks) -> EpochMasks:
    histogram = Histogram(np.arange(4, dtype=np.int64), -1.5, 2.5, 0.25 * epoch)
    return EpochMasks(
        epoch,
        layers={name: pack_kept(mask) for name, mask in masks.items()},
        histograms={"conv.weight": histogram},
    )


def write_all(folder: Path, epochs: list[Masks]) -> None:
    previous = None
    for epoch, masks in enumerate(epochs):
        write_epoch(folder, current := as_epoch(epoch, masks), previous)
        previous = current


def is_key(folder: Path, epoch: int) -> bool:
    with np.load(epoch_path(folder, epoch)) as file:
        return bool(json.loads(bytes(file["header"].tolist()))["key"])


def assert_same(folder: Path, epoch: int, masks: Masks) -> None:
    found = read_epoch(folder, epoch)
    assert found.epoch == epoch
    assert list(found.layers) == list(masks)
    for name, mask in masks.items():
        assert found.layers[name].kept.dtype == bool
        np.testing.assert_array_equal(found.layers[name].kept, mask)
    assert found.histograms.keys() == {"conv.weight"} & masks.keys()


def test_that_every_epoch_reads_back_and_every_tenth_stands_alone(tmp_path: Path) -> None:
    epochs = [random_masks(seed) for seed in range(23)]
    write_all(tmp_path, epochs)
    assert stored_epochs(tmp_path) == list(range(23))
    for epoch, masks in enumerate(epochs):
        assert_same(tmp_path, epoch, masks)
        assert is_key(tmp_path, epoch) == (epoch % KEY_EVERY == 0)
    histogram = read_epoch(tmp_path, 13).histograms["conv.weight"]
    assert (histogram.low, histogram.high, histogram.threshold) == (-1.5, 2.5, 3.25)
    assert histogram.counts.tolist() == [0, 1, 2, 3]


LAYERS = st.dictionaries(
    st.text(min_size=1, max_size=12),
    st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple),
    min_size=1,
    max_size=3,
)


@settings(max_examples=25)
@given(LAYERS, st.integers(1, 13), st.integers(0, 1000), st.floats(0, 1))
def test_that_any_masks_of_any_names_read_back(
    shapes: dict[str, tuple[int, ...]], count: int, seed: int, kept: float
) -> None:
    generator = np.random.default_rng(seed)
    epochs = [{name: generator.random(shape) < kept for name, shape in shapes.items()} for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        previous = None
        for epoch, masks in enumerate(epochs):
            current = EpochMasks(epoch, {name: pack_kept(m) for name, m in masks.items()}, {})
            write_epoch(Path(folder), current, previous)
            previous = current
        for epoch, masks in enumerate(epochs):
            found = read_epoch(Path(folder), epoch)
            assert {name: one.shape for name, one in found.layers.items()} == shapes
            for name, mask in masks.items():
                np.testing.assert_array_equal(found.layers[name].kept, mask)


def test_that_masks_that_hardly_change_take_little_space(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    first = generator.random((100, 1000)) < 0.4
    second = first ^ (generator.random(first.shape) < 0.001)
    write_all(tmp_path, [{"fc.weight": first}, {"fc.weight": second}])
    sizes = [epoch_path(tmp_path, epoch).stat().st_size for epoch in (0, 1)]
    assert sizes[1] < 0.2 * sizes[0]
    assert sizes[0] < first.size / 8 + 1500


def test_that_bits_lie_in_row_major_order(tmp_path: Path) -> None:
    mask = np.zeros((2, 3, 2), dtype=bool)
    mask[0, 0, 1] = mask[1, 0, 0] = True  # positions 1 and 6
    assert pack_kept(mask).packed.tolist() == [0b01000010, 0]
    assert pack_kept(np.asfortranarray(mask)).packed.tolist() == [0b01000010, 0]


def test_that_what_does_not_follow_its_epoch_becomes_a_key_frame(tmp_path: Path) -> None:
    write_all(tmp_path, [random_masks(0), random_masks(1)])
    late, other = random_masks(5), random_masks(6)
    write_epoch(tmp_path, as_epoch(5, late), as_epoch(1, random_masks(1)))
    write_epoch(tmp_path, as_epoch(6, other), as_epoch(5, late))
    assert is_key(tmp_path, 5)
    assert not is_key(tmp_path, 6)
    assert_same(tmp_path, 5, late)
    assert_same(tmp_path, 6, other)
    assert stored_epochs(tmp_path) == [0, 1, 5, 6]


def test_that_other_files_are_no_epochs(tmp_path: Path) -> None:
    assert stored_epochs(tmp_path / "absent") == []
    for name in ("epoch-1.npz", "epoch-00001.npz.part", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert stored_epochs(tmp_path) == []


# what is not there, or not whole


def test_that_absent_masks_are_told_with_what_there_is(tmp_path: Path) -> None:
    def said(epoch: int) -> str:
        with pytest.raises(UserError) as caught:
            read_epoch(tmp_path, epoch)
        return str(caught.value)

    assert said(3) == "There are no masks of epoch 3 (epochs with masks: none); 0 is before training."
    write_all(tmp_path, [random_masks(seed) for seed in range(5)])
    assert said(9) == "There are no masks of epoch 9 (epochs with masks: 0 to 4); 0 is before training."
    epoch_path(tmp_path, 2).unlink()
    assert said(4) == (
        "There are no masks of epoch 4, which need those of epoch 2 (epochs with masks: 0 to 4); "
        "0 is before training."
    )
    assert_same(tmp_path, 1, random_masks(1))


@settings(max_examples=60)
@given(st.data())
def test_that_damage_is_told_or_does_no_harm(data: st.DataObject) -> None:
    epochs = [random_masks(seed) for seed in range(3)]
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        write_all(folder, epochs)
        path = epoch_path(folder, data.draw(st.integers(0, 2)))
        content = bytearray(path.read_bytes())
        if data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(content) - 1))
            content[place] ^= data.draw(st.integers(1, 255))
        else:
            del content[data.draw(st.integers(0, len(content) - 1)) :]
        path.write_bytes(content)
        found, problem = read_or_problem(folder, 2)
        if found is None:
            assert str(path) in problem
            assert "damaged" in problem
        else:
            for name, mask in epochs[2].items():
                np.testing.assert_array_equal(found.layers[name].kept, mask)


def read_or_problem(folder: Path, epoch: int) -> tuple[EpochMasks | None, str]:
    try:
        return read_epoch(folder, epoch), ""
    except UserError as error:
        return None, str(error)


def test_that_a_file_under_another_name_or_of_another_network_is_damage(tmp_path: Path) -> None:
    write_all(tmp_path, [random_masks(seed) for seed in range(4)])
    content = epoch_path(tmp_path, 1).read_bytes()
    epoch_path(tmp_path, 3).write_bytes(content)
    with pytest.raises(UserError, match=r"it is of epoch 1; the file is damaged"):
        read_epoch(tmp_path, 3)
    epoch_path(tmp_path, 0).write_bytes(content)
    with pytest.raises(UserError, match=r"the file is damaged"):
        read_epoch(tmp_path, 0)
    write_epoch(tmp_path, as_epoch(1, {"fc.weight": np.ones((5, 7), dtype=bool)}), None)
    with pytest.raises(UserError, match=r"its layers are not those of its key frame; the file is damaged"):
        read_epoch(tmp_path, 2)


# what training writes


@pytest.mark.parametrize("ranking", ["signed", "magnitude"])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_that_a_snapshot_holds_the_selected_masks_and_the_ranked_scores(ranking: str, layout: str) -> None:
    method = {"name": "edge-popup", "sparsity": 0.7, "ranking": ranking}
    task = task_of(config_of(method, compute={"memory_format": layout}))
    found = snapshot_masks(task.method.layers, 3)
    assert found.epoch == 3
    for layer in task.method.layers:
        scores = layer.masking.scores.detach()
        mask = kept_mask(scores, 0.7, "magnitude" if ranking == "magnitude" else "signed")
        np.testing.assert_array_equal(found.layers[layer.name].kept, mask.numpy())
        ranked = (scores.abs() if ranking == "magnitude" else scores).numpy()
        histogram = found.histograms[layer.name]
        assert histogram.counts.shape == (BINS,)
        assert histogram.counts.sum() == layer.count
        assert (histogram.low, histogram.high) == (ranked.min(), ranked.max())
        assert histogram.threshold == ranked[mask.numpy()].min()


def test_that_a_histogram_of_equal_scores_has_one_full_bin() -> None:
    task = task_of(config_of("edge-popup"))
    layer = task.method.layers[0]
    layer.masking.scores.data.fill_(0.5)
    histogram = snapshot_masks(task.method.layers, 0).histograms[layer.name]
    assert histogram.counts.max() == histogram.counts.sum() == layer.count
    assert (histogram.low, histogram.threshold) == (0.5, 0.5)


def test_that_histograms_agree_with_numpys() -> None:
    run, sink = train(config_of("iterand", training={"epochs": 1, "lr": 1.0}))
    assert isinstance(sink, ListSink)
    found = snapshot_masks(run.task.method.layers, 1)
    for layer in run.task.method.layers:
        scores = layer.masking.scores.detach().numpy()
        histogram = found.histograms[layer.name]
        expected, _ = np.histogram(scores, BINS, (histogram.low, histogram.high))
        assert np.abs(np.cumsum(expected) - np.cumsum(histogram.counts)).max() <= 1 + layer.count // 500
