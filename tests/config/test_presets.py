"""The recipes are the papers' recipes, complete, and every one is a valid configuration.

The numbers here are written down a second time on purpose: they come from the papers, not from the files.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from iterand_engine.config.presets import preset, presets
from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError

METHODS = ("dense", "edge-popup", "iterand")
CIFAR = {f"cifar10-{n}-{m}" for n, m in product(("conv6", "resnet18", "resnet34"), METHODS)}
IMAGENET = {f"imagenet-{n}-dense" for n in ("resnet18", "resnet34")} | {
    f"imagenet-{n}-{m}"
    for n, m in product(("resnet34", "resnet50", "resnet101", "wide-resnet50-2"), ("edge-popup", "iterand"))
}
RAMANUJAN = {f"imagenet-{n}-ramanujan" for n in ("resnet50", "resnet101", "wide-resnet50-2")}
RECIPES = sorted(set(presets()) - {"quickstart"})

SAME_EVERYWHERE = {"batch_size": 128, "optimizer": "sgd", "momentum": 0.9, "schedule": "cosine"}
CIFAR_RESNET = SAME_EVERYWHERE | {
    "epochs": 100,
    "lr": 0.1,
    "weight_decay": 5e-4,
    "warmup_epochs": 0,
    "final_epochs": 0,
}
CIFAR_CONV6_SCORE = CIFAR_RESNET | {"lr": 0.3, "weight_decay": 1e-4}
CIFAR_CONV6_DENSE = CIFAR_RESNET | {"lr": 0.01, "weight_decay": 1e-4}
IMAGENET_TRAINING = SAME_EVERYWHERE | {
    "epochs": 105,
    "lr": 0.1,
    "weight_decay": 1e-4,
    "warmup_epochs": 5,
    "final_epochs": 5,
    "final_lr": 1e-5,
}


def config_of(name: str) -> RunConfig:
    return RunConfig.from_mapping(preset(name).mapping)


def expected_training(name: str) -> dict[str, Any]:
    if name.startswith("imagenet-"):
        return IMAGENET_TRAINING
    if "-conv6-" in name:
        return CIFAR_CONV6_DENSE if name.endswith("-dense") else CIFAR_CONV6_SCORE
    return CIFAR_RESNET


def expected_sparsity(name: str) -> float:
    return 0.7 if name.startswith("imagenet-") else 0.5 if "-conv6-" in name else 0.6


def test_that_every_experiment_of_the_papers_has_a_preset() -> None:
    assert set(presets()) >= CIFAR | IMAGENET | RAMANUJAN


def test_that_the_variants_beyond_the_papers_are_there() -> None:
    variants = {
        f"{d}-{n}-{m}"
        for d, n, m in product(
            ("cifar100", "tiny-imagenet"), ("resnet18", "resnet34", "wide-resnet50-2"), METHODS
        )
    }
    assert variants | {f"cifar10-wide-resnet50-2-{m}" for m in METHODS} <= set(presets())


@pytest.mark.parametrize("name", ["quickstart", *RECIPES])
def test_that_every_preset_is_a_valid_configuration_named_after_what_it_trains(name: str) -> None:
    config = config_of(name)
    assert name == "quickstart" or name.startswith(f"{config.data.dataset}-{config.model.name}-")
    method = name.removeprefix(f"{config.data.dataset}-{config.model.name}-")
    assert config.method.name == {"quickstart": "iterand", "ramanujan": "edge-popup"}.get(method, method)
    assert preset(name).title
    assert preset(name).description


@pytest.mark.parametrize("name", RECIPES)
def test_that_training_follows_the_paper(name: str) -> None:
    config = config_of(name)
    trained = config.training.model_dump()
    assert {key: trained[key] for key in expected_training(name)} == expected_training(name)
    assert config.model.width_factor == 1.0
    assert config.data.augmentation == "paper"
    assert config.data.normalization == "imagenet"
    assert config.data.val_fraction == (0.01 if name.startswith("imagenet-") else 0.1)


@pytest.mark.parametrize("name", RECIPES)
def test_that_the_method_follows_the_paper(name: str) -> None:
    method = config_of(name).method.model_dump()
    if name.endswith("-dense"):
        assert method["weight_init"] == "kaiming-uniform"
        assert "sparsity" not in method
        return
    ramanujan = name.endswith("-ramanujan")
    assert method["sparsity"] == expected_sparsity(name)
    assert method["weight_init"] == "signed-constant"
    assert method["score_init"] == ("kaiming-uniform-a5" if ramanujan else "kaiming-uniform")
    assert method["ranking"] == ("magnitude" if ramanujan else "signed")
    if name.endswith("-iterand"):
        assert method["randomize_every"] == (1000 if name.startswith("imagenet-") else 300)
        assert method["randomize_rate"] == 0.1


@pytest.mark.parametrize("name", RECIPES)
def test_that_paper_recipes_pin_their_arithmetic(name: str) -> None:
    compute = config_of(name).compute
    assert compute.precision == "fp32"
    assert compute.deterministic


def test_that_the_quick_start_comes_first_and_needs_no_download() -> None:
    assert next(iter(presets())) == "quickstart"
    config = config_of("quickstart")
    assert config.data.dataset == "digits"
    assert config.data.path is None


def test_that_an_unknown_preset_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(
        UserError, match=r"no preset 'cifar10-resnet18-iterant'; did you mean 'cifar10-resnet18-iterand'"
    ):
        preset("cifar10-resnet18-iterant")


def test_that_changing_a_preset_does_not_change_it_for_the_next_caller() -> None:
    preset("quickstart").mapping["training"]["lr"] = 77.0
    presets()["quickstart"].mapping["data"]["dataset"] = "none"
    assert preset("quickstart").mapping["training"]["lr"] != 77.0
    assert preset("quickstart").mapping["data"]["dataset"] == "digits"
