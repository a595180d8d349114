"""Shipped files are found in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from iterand_engine.errors import UserError
from iterand_engine.machine.resources import resource


def test_that_this_checkout_has_its_resources() -> None:
    assert resource("normal_quantiles.npy").is_file()


@pytest.mark.parametrize("folder", ["site/iterand_engine/resources", "site/resources"])
def test_that_resources_are_found_inside_the_package_and_beside_it(tmp_path: Path, folder: str) -> None:
    preset = tmp_path / folder / "presets" / "a.yaml"
    preset.parent.mkdir(parents=True)
    preset.touch()
    package = tmp_path / "site" / "iterand_engine"
    assert resource("presets", "a.yaml", package=package) == preset
    assert resource("presets", package=package) == preset.parent


def test_that_a_wheel_prefers_its_own_resources(tmp_path: Path) -> None:
    package = tmp_path / "iterand_engine"
    for folder in (package / "resources", tmp_path / "resources"):
        folder.mkdir(parents=True)
        (folder / "table").touch()
    assert resource("table", package=package) == package / "resources" / "table"


def test_that_a_missing_resource_is_named() -> None:
    with pytest.raises(UserError, match=r"resources/presets/none\.yaml"):
        resource("presets", "none.yaml")
