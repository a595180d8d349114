"""What makes two runs one experiment; released defaults keep their keys for ever."""

from __future__ import annotations

from typing import Any

import pytest

from iterand_engine.config.presets import preset
from iterand_engine.config.run_config import RunConfig
from iterand_engine.runs.group_key import group_key

# A key that changes here splits the experiments of everybody who upgrades: do not edit, add.
FROZEN = {
    "dense": "89a16b9c391a9f973066643fe6ccda87",
    "edge-popup": "836ddadb318d56d0c8b06e1f3580fed7",
    "iterand": "6755b413e86571499f82485c7b9e95ae",
    "cifar10-resnet18-iterand": "6755b413e86571499f82485c7b9e95ae",
    "imagenet-resnet50-edge-popup": "07b48be66cc8c04c999d03f8cb639a4b",
}

BASE: dict[str, Any] = {
    "name": "mine",
    "data": {"dataset": "npz", "path": "/data/a.npz"},
    "method": {"name": "iterand"},
    "training": {"schedule": "multistep", "milestones": [50]},
}


def mapping_of(name: str) -> dict[str, Any]:
    return {"method": {"name": name}} if name in ("dense", "edge-popup", "iterand") else preset(name).mapping


def key(mapping: dict[str, Any], fingerprint: str = "f", precision: str = "fp32", *extensions: str) -> str:
    config = RunConfig.from_mapping(mapping)
    return group_key(config, fingerprint=fingerprint, precision=precision, extensions=extensions)


def with_option(path: str, value: Any) -> dict[str, Any]:
    section, _, name = path.rpartition(".")
    changed = {
        part: dict(options) if isinstance(options, dict) else options for part, options in BASE.items()
    }
    if section:
        changed.setdefault(section, {})[name] = value
    else:
        changed[name] = value
    return changed


@pytest.mark.parametrize("name", FROZEN)
def test_that_the_key_of_a_released_default_never_changes(name: str) -> None:
    assert key(mapping_of(name), "cifar10-v1") == FROZEN[name]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "yours"),
        ("name", None),
        ("data.path", "/elsewhere/b.npz"),
        ("training.seed", 7),
        ("compute.device", "cpu"),
        ("compute.precision", "bf16"),  # the resolved one counts, and is given beside the configuration
        ("compute.deterministic", True),
        ("compute.threads", 3),
        ("compute.memory_format", "channels_last"),
        ("compute.workers", 0),
        ("recording.mask_every", 1),
        ("recording.checkpoint_minutes", 1.5),
    ],
)
def test_that_what_changes_no_result_but_the_seed_leaves_the_key(path: str, value: Any) -> None:
    assert key(with_option(path, value)) == key(BASE)


CHANGES: list[tuple[str, Any]] = [
    ("data.dataset", "image-folder"),
    ("data.val_fraction", 0.2),
    ("data.augmentation", "crop"),
    ("data.normalization", "dataset"),
    ("data.train_limit", 100),
    ("data.split", "stratified"),
    ("model.name", "resnet34"),
    ("model.width_factor", 0.5),
    ("method.name", "edge-popup"),
    ("method.weight_init", "kaiming-normal"),
    ("method.sparsity", 0.61),
    ("method.score_init", "kaiming-uniform-a5"),
    ("method.ranking", "magnitude"),
    ("method.layers", [{"match": "conv1", "mask": False}]),
    ("method.layers", [{"match": "conv1", "sparsity": 0.6}]),
    ("method.randomize_every", 301),
    ("method.randomize_rate", 0.0),
    ("training.epochs", 101),
    ("training.batch_size", 64),
    ("training.optimizer", "adamw"),
    ("training.lr", 0.2),
    ("training.momentum", 0.8),
    ("training.weight_decay", 0.0),
    ("training.milestones", [51]),
    ("training.gamma", 0.2),
    ("training.warmup_epochs", 1),
    ("training.final_epochs", 1),
    ("training.final_lr", 0.1),
]


def test_that_everything_else_makes_another_experiment() -> None:
    keys = [key(BASE), *(key(with_option(path, value)) for path, value in CHANGES)]
    keys += [
        key(BASE, "g"),
        key(BASE, "f", "bf16"),
        key(BASE, "f", "fp32", "e1"),
        key(BASE, "f", "fp32", "e2"),
    ]
    keys.append(key({**BASE, "training": {"schedule": "constant"}}))
    assert len(set(keys)) == len(keys)


def test_that_every_option_is_known_to_count_or_not() -> None:
    config = RunConfig.from_mapping(BASE).to_mapping()
    counted = {path for path, _ in CHANGES} | {"training.schedule", "method.rule"}
    not_counted = {"data.path", "training.seed"}
    for section in ("data", "model", "method", "training"):
        for name in config[section]:
            assert f"{section}.{name}" in counted | not_counted, f"say whether {section}.{name} counts"


def test_that_one_experiment_written_in_two_ways_has_one_key() -> None:
    spelled = {
        **BASE,
        "model": {"name": "resnet18", "width_factor": 1},
        "data": {**BASE["data"], "val_fraction": 0.1},
    }
    rule = with_option("method.rule", {"name": "uniform"})
    assert key(spelled) == key(rule) == key(BASE)
    assert key(BASE, "f", "fp32", "a", "b") == key(BASE, "f", "fp32", "b", "a")
    assert len(key(BASE)) == 32
