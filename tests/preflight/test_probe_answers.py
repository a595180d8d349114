"""What the probe says of a configuration, against the papers, real networks and data as it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from iterand_engine.config.catalog import METHODS, MODELS
from iterand_engine.config.run_config import RunConfig
from iterand_engine.data.dataset import Split
from iterand_engine.data.facts import data_facts
from iterand_engine.data.open import open_dataset
from iterand_engine.errors import UserError
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.models.spec import InputSpec
from iterand_engine.preflight.inspect import NetworkFacts, look, quick_norms
from iterand_engine.preflight.messages import Answer, Reply, Request, decode, encode
from iterand_engine.preflight.probe_process import answer
from iterand_engine.pruning.methods.base import RunPlan
from iterand_engine.pruning.selection import kept_mask

SMALL = InputSpec(3, 32, 32, 10)
PLENTY = 1 << 40


def config_of(**sections: dict[str, Any]) -> RunConfig:
    return RunConfig.from_mapping({"compute": {"device": "cpu", "precision": "fp32"}, **sections})


def asked(folder: Path, **sections: dict[str, Any]) -> Answer:
    return answer(open_workspace_dir(folder), Request.of(1, config_of(**sections)))


def looked_at(config: RunConfig, spec: InputSpec = SMALL) -> NetworkFacts:
    return look(config, spec, RunPlan(total_steps=1000, seed=1))


@pytest.mark.parametrize(
    ("model", "width", "weights"),
    [
        ("conv6", 0.25, 142_128),
        ("conv6", 1, 2_261_184),
        ("resnet18", 0.25, 708_288),
        ("resnet18", 1, 11_164_352),
        ("resnet34", 0.5, 5_330_112),
        ("resnet34", 2, 84_979_392),
    ],
)
def test_that_weights_are_those_of_the_paper(model: str, width: float, weights: int, tmp_path: Path) -> None:
    found = asked(tmp_path, data={"dataset": "cifar10"}, model={"name": model, "width_factor": width})

    assert found.weights == found.trained == weights == sum(layer.weights for layer in found.layers)
    assert found.kept == sum(layer.kept for layer in found.layers)
    assert abs(found.kept - 0.4 * weights) <= len(found.layers)


def test_that_the_papers_cifar_run_has_its_steps_and_redraws(tmp_path: Path) -> None:
    found = asked(tmp_path, data={"dataset": "cifar10"}, model={"name": "resnet18"})

    assert (found.train_count, found.steps_per_epoch, found.steps) == (45_000, 352, 35_200)
    assert found.redraw_events == 117
    assert found.values_seen == pytest.approx(12.7)
    assert (found.input.height, found.classes) == (32, 10)


def test_that_what_redraws_nothing_sees_one_value(tmp_path: Path) -> None:
    for method in ("dense", "edge-popup"):
        found = asked(tmp_path, data={"dataset": "digits"}, method={"name": method})
        assert (found.redraw_events, found.values_seen) == (0, 1.0)


@pytest.mark.parametrize("model", ["conv2", "resnet18"])
@pytest.mark.parametrize("method", list(METHODS))
def test_that_masks_are_those_of_the_method_itself(model: str, method: str) -> None:
    """The papers' methods are not made for a look; this holds what is said of them to what they are."""
    layers = [{"match": "linear", "sparsity": 0.3}, {"match": "*conv1", "mask": False}]
    options = {} if method == "dense" else {"sparsity": 0.77, "layers": layers}
    config = config_of(model={"name": model, "width_factor": 0.1}, method={"name": method, **options})
    found = looked_at(config)

    module = MODELS[model].load()(0.1, SMALL)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    made = METHODS[method].load()(module, config.method, RunPlan(total_steps=1000, seed=1))
    real = {layer.name: layer for layer in made.layers}
    assert {layer.name for layer in found.layers if layer.masked} == set(real)
    for layer in found.layers:
        if layer.masked:
            mask = kept_mask(real[layer.name].masking.scores, layer.sparsity)
            assert (layer.shape, layer.kept) == (tuple(mask.shape), int(mask.sum()))
            assert layer.sparsity == real[layer.name].sparsity
        else:
            assert (layer.kept, layer.sparsity) == (layer.weights, 0.0)
    assert found.tensors.trained == sum(parameter.numel() for parameter in made.trained)
    assert found.tensors.masked + found.tensors.others == parameters
    assert found.unmasked == (made.report.unmasked if real else ())
    if real:
        assert found.tensors.record_bytes == made.layers[0].masking.record.itemsize


def saved_bytes(module: nn.Module, images: Tensor) -> int:
    """What a forward pass saves, without the network's own tensors; counted apart from the program."""
    own = {one.untyped_storage()._cdata for one in (*module.parameters(), *module.buffers())}
    held: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            held[storage._cdata] = storage
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        module(images)
    return sum(storage.nbytes() for storage in held.values())


@pytest.mark.parametrize(("model", "side"), [("conv4", 32), ("resnet18", 32), ("resnet50", 65)])
def test_that_activations_are_those_of_a_real_forward_pass(model: str, side: int) -> None:
    spec = InputSpec(3, side, side, 10)
    config = config_of(model={"name": model, "width_factor": 0.1}, training={"batch_size": 3})
    found = looked_at(config, spec).tensors
    module = MODELS[model].load()(0.1, spec)
    real = saved_bytes(module, torch.rand(3, 3, side, side))

    assert found.saved_float_bytes is not None
    # The real pass saves a few bytes more: the labels of views, a batch norm's reserve.
    assert found.saved_float_bytes + found.saved_other_bytes == pytest.approx(real, rel=0.01)


def test_that_the_stand_in_of_batch_norms_saves_what_they_save_and_goes_again() -> None:
    with torch.device("meta"):
        module = MODELS["resnet18"].load()(0.25, SMALL)
        images = torch.empty(4, 3, 32, 32)
        real = saved_bytes(module, images)
        with quick_norms(module):
            assert saved_bytes(module, images) == real
        assert not any("forward" in vars(child) for child in module.modules())


def test_that_a_larger_batch_costs_activations_alone_in_proportion(tmp_path: Path) -> None:
    memories = [
        asked(tmp_path, data={"dataset": "digits"}, training={"batch_size": size}).memory
        for size in (10, 110, 210)
    ]
    activations = [memory.activation_bytes or 0 for memory in memories]

    assert activations[2] - activations[1] == pytest.approx(activations[1] - activations[0], rel=0.001)
    assert activations[1] - activations[0] > 1e6
    assert len({memory.model_copy(update={"activation_bytes": 0}) for memory in memories}) == 1


def test_that_mistakes_are_told_in_the_engines_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="matches no layer"):
        asked(
            tmp_path,
            data={"dataset": "digits"},
            method={"name": "iterand", "layers": [{"match": "layer9.*", "mask": False}]},
        )
    with pytest.raises(UserError, match="leaves no channel"):
        asked(tmp_path, data={"dataset": "digits"}, model={"name": "conv2", "width_factor": 0.001})
    with pytest.raises(UserError, match="only 1293 training images are left"):
        asked(tmp_path, data={"dataset": "digits", "train_limit": 5000})
    with pytest.raises(UserError, match="no such file"):
        asked(tmp_path, data={"dataset": "npz", "path": str(tmp_path / "none.npz")})


def test_that_a_network_that_cannot_be_masked_is_refused_in_the_engines_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def normed(width_factor: float, spec: InputSpec) -> nn.Module:
        linear = nn.utils.parametrizations.weight_norm(nn.Linear(3 * 32 * 32, 10))
        return nn.Sequential(nn.Flatten(), linear)

    monkeypatch.setattr("iterand_engine.models.conv2", normed)
    config = config_of(model={"name": "conv2", "width_factor": 0.123})
    with pytest.raises(UserError, match="cannot be masked: it is parametrized already"):
        looked_at(config)


@given(
    st.builds(
        dict,
        sparsity=st.floats(0, 1, exclude_max=True),
        name=st.just("edge-popup"),
        ranking=st.sampled_from(["signed", "magnitude"]),
    )
)
def test_that_messages_survive_the_way(method: dict[str, Any]) -> None:
    config = config_of(data={"dataset": "digits"}, model={"name": "conv2"}, method=method)
    request = Request.of(7, config, topic="form")
    assert decode(Request, encode(request)) == request
    assert RunConfig.from_mapping(decode(Request, encode(request)).config) == config

    reply = Reply(id=7, answer=answer(Workspace(Path("/nowhere")), request))
    assert encode(reply).count(b"\n") == 1
    assert decode(Reply, encode(reply)) == reply


def npz_file(path: Path, side: int = 12, channels: int = 3, **more: Any) -> Path:
    rng = np.random.default_rng(0)
    shape = (side, side, channels) if channels > 1 else (side, side)
    arrays: dict[str, Any] = {
        "train_images": rng.integers(0, 256, (50, *shape), dtype=np.uint8),
        "train_labels": np.arange(50) % 7,
        "test_images": rng.integers(0, 256, (9, *shape), dtype=np.uint8),
        "test_labels": np.arange(9) % 3,
    }
    np.savez(path, **(arrays | more))
    return path


def facts_and_dataset(config: RunConfig) -> tuple[Any, Any]:
    facts = data_facts(config.data, [], PLENTY)
    opened = open_dataset(
        config.data, roots=[], device=torch.device("cpu"), workers=0, seed=1, memory_bytes=PLENTY
    )
    counts = tuple(opened.count(split) for split in Split)
    found = (opened.spec, *counts)
    opened.close()
    return (facts.spec, facts.train_count, facts.val_count, facts.test_count), found


@pytest.mark.parametrize("side", [12, 40, 70])
@pytest.mark.parametrize("channels", [1, 3])
def test_that_facts_of_an_npz_file_are_those_found_when_it_is_opened(
    side: int, channels: int, tmp_path: Path
) -> None:
    path = npz_file(tmp_path / "a.npz", side, channels)
    options = {"dataset": "npz", "path": str(path), "val_fraction": 0.3, "train_limit": 20}
    facts, found = facts_and_dataset(config_of(data=options))
    assert facts == found


def test_that_an_npz_file_with_validation_images_is_not_split(tmp_path: Path) -> None:
    images = np.zeros((5, 12, 12, 3), np.uint8)
    path = npz_file(tmp_path / "a.npz", val_images=images, val_labels=np.full(5, 11))
    facts, found = facts_and_dataset(config_of(data={"dataset": "npz", "path": str(path)}))
    assert facts == found
    assert facts[0].classes == 12


def image_folder(root: Path, side: int, counts: dict[str, int]) -> Path:
    from PIL import Image

    for part, count in counts.items():
        for label in ("ant", "bee"):
            folder = root / part / label
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (side, side)).save(folder / f"{number}.png")
    return root


@pytest.mark.parametrize(
    "counts", [{"train": 6, "test": 2}, {"train": 6, "val": 2}, {"train": 4, "val": 1, "test": 2}]
)
def test_that_facts_of_a_folder_are_those_found_when_it_is_opened(
    counts: dict[str, int], tmp_path: Path
) -> None:
    path = image_folder(tmp_path / "images", 20, counts)
    facts, found = facts_and_dataset(config_of(data={"dataset": "image-folder", "path": str(path)}))
    assert facts == found


def test_that_facts_follow_when_the_data_changes(tmp_path: Path) -> None:
    path = npz_file(tmp_path / "a.npz")
    data = config_of(data={"dataset": "npz", "path": str(path)}).data
    assert data_facts(data, [], PLENTY).spec.classes == 7
    npz_file(path, train_labels=np.arange(50) % 8)
    assert data_facts(data, [], PLENTY).spec.classes == 8

    folder = image_folder(tmp_path / "images", 20, {"train": 4, "test": 1})
    data = config_of(data={"dataset": "image-folder", "path": str(folder), "val_fraction": 0}).data
    assert data_facts(data, [], PLENTY).train_count == 8
    (folder / "train" / "bee" / "more.png").write_bytes((folder / "train" / "bee" / "0.png").read_bytes())
    assert data_facts(data, [], PLENTY).train_count == 9


@pytest.mark.parametrize("broken", ["text", "no-labels", "objects"])
def test_that_a_broken_npz_file_is_told_as_when_it_is_opened(broken: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    match broken:
        case "text":
            path.write_text("no zip file")
        case "no-labels":
            np.savez(path, train_images=np.zeros((2, 8, 8), np.uint8))
        case "objects":
            npz_file(path, test_labels=np.array([object()] * 9))
    config = config_of(data={"dataset": "npz", "path": str(path)})
    with pytest.raises(UserError) as looked:
        data_facts(config.data, [], PLENTY)
    with pytest.raises(UserError) as opened:
        open_dataset(config.data, roots=[], device=torch.device("cpu"), workers=0, seed=1)
    assert str(looked.value) == str(opened.value)


def test_that_a_folder_larger_than_memory_is_streamed_and_takes_none(tmp_path: Path) -> None:
    config = config_of(data={"dataset": "imagenet"}, training={"batch_size": 2})
    little, much = (data_facts(config.data, [], memory_bytes) for memory_bytes in (1 << 34, 1 << 50))
    assert little.streamed
    assert not much.streamed
    assert little.stored_bytes < 100e6 < 100e9 < much.stored_bytes

    request = Request.of(1, config).model_copy(update={"memory_bytes": 1 << 34})
    assert answer(open_workspace_dir(tmp_path), request).notes == (
        "Images are read from disk as they are needed.",
    )
