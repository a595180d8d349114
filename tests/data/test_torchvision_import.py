"""torchvision imports on a sound and on a mismatched install."""

from __future__ import annotations

import torch

from iterand_engine.data.torchvision_import import import_torchvision, missing_operators


def test_that_torchvision_imports_with_its_datasets_and_transforms() -> None:
    torchvision = import_torchvision()
    assert torchvision.datasets.CIFAR10.url.endswith("cifar-10-python.tar.gz")
    resized = torchvision.transforms.functional.resize(torch.zeros(3, 8, 8), [4, 4], antialias=True)
    assert resized.shape == (3, 4, 4)


def test_that_importing_twice_gives_the_same_module() -> None:
    assert import_torchvision() is import_torchvision()


def test_that_only_operators_unknown_to_torch_are_missing() -> None:
    import_torchvision()
    known, unknown = 'register_fake("torchvision::nms")', 'register_fake(\n    "torchvision::not_there")'
    assert missing_operators(f"@{known}\n@{unknown}") == ["not_there"]
