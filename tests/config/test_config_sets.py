"""Changing options with `--set`, and from where a relative data.path is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iterand_engine.config.run_config import RunConfig, read_mapping
from iterand_engine.config.sets import apply_changes, read_change
from iterand_engine.errors import UserError
from tests.paths import ROOT


def changed(mapping: dict[str, Any], *sets: str, folder: Path = ROOT) -> tuple[RunConfig, list[str]]:
    result, notes = apply_changes(mapping, map(read_change, sets), folder=folder)
    return RunConfig.from_mapping(result), notes


def test_that_set_changes_options_in_order_and_leaves_the_mapping_alone() -> None:
    mapping = {"training": {"lr": 0.3}}
    config, notes = changed(
        mapping,
        "training.lr=1e-2",
        "training.lr=0.05",
        "data.train_limit=null",
        "training.schedule=multistep",
        "training.milestones=[3, 5]",
        "name=",
        "method.layers=[{match: linear, mask: false}]",
    )
    assert config.training.lr == 0.05
    assert config.training.milestones == (3, 5)
    assert config.name is None
    assert config.to_mapping()["method"]["layers"] == [{"match": "linear", "mask": False, "sparsity": None}]
    assert notes == []
    assert mapping == {"training": {"lr": 0.3}}


@pytest.mark.parametrize(
    ("name", "method", "dropped"),
    [
        (
            "edge-popup",
            {"sparsity": 0.5, "randomize_every": 10, "rule": "uniform"},
            ["dropped randomize_every, rule: edge-popup has no such option"],
        ),
        (
            "dense",
            {"name": "edge-popup", "weight_init": "kaiming-normal", "sparsity": 0.5},
            ["dropped sparsity: dense has no such option"],
        ),
        ("iterand", {"name": "edge-popup", "sparsity": 0.5}, []),
    ],
)
def test_that_a_new_method_drops_and_names_what_it_lacks(
    name: str, method: dict[str, Any], dropped: list[str]
) -> None:
    config, notes = changed({"method": method}, f"method.name={name}")
    assert notes == dropped
    assert config.method.name == name
    kept = {key: value for key, value in method.items() if key in type(config.method).model_fields}
    assert config.method.model_dump() | kept | {"name": name} == config.method.model_dump()


def test_that_a_foreign_option_set_after_the_method_is_refused() -> None:
    mapping, _ = apply_changes({}, [("method.name", "dense"), ("method.sparsity", 0.5)], folder=ROOT)
    with pytest.raises(UserError, match=r"The method 'dense': Unknown option 'method\.sparsity'"):
        RunConfig.from_mapping(mapping)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training.lr", "'training.lr' is not of the form option=value, e.g. training.lr=0.05."),
        ("=3", "'=3' is not of the form option=value, e.g. training.lr=0.05."),
        ("a..b=3", "'a..b=3' is not of the form option=value, e.g. training.lr=0.05."),
        (
            "method.rule.name.rate=1",
            "There is no option 'method.rule.name.rate': 'name' is 'uniform', "
            "which has no options of its own.",
        ),
        (
            "name=[1",
            "'name=[1': '[1' is not a YAML value (line 1: did not find expected ',' or ']').",
        ),
        (
            "method.name=iterant",
            "There is no method 'iterant'; did you mean 'iterand'? (known: dense, edge-popup, iterand).",
        ),
    ],
)
def test_that_a_set_that_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        apply_changes({"method": {"rule": "uniform"}}, [read_change(text)], folder=ROOT)
    assert str(caught.value) == said


def test_that_a_relative_path_is_seen_from_where_it_was_written(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    path = tmp_path / "config.yaml"
    path.write_text("data: {dataset: npz, path: images/my.npz}")
    mapping = read_mapping(path)
    assert mapping["data"]["path"] == str(tmp_path / "images" / "my.npz")
    for text in ("data.path=my.npz", "data={dataset: npz, path: my.npz}"):
        config, _ = changed(mapping, text, folder=elsewhere)
        assert config.data.path == str(elsewhere / "my.npz")
    config, _ = changed(mapping, "data.train_limit=5", folder=elsewhere)
    assert config.data.path == str(tmp_path / "images" / "my.npz")


def test_that_the_home_folder_and_absolute_paths_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    config, _ = changed({}, "data.dataset=npz", "data.path=~/my.npz")
    assert config.data.path == str(tmp_path / "home" / "my.npz")
    config, _ = changed({}, "data.dataset=npz", f"data.path={tmp_path / 'my.npz'}")
    assert config.data.path == str(tmp_path / "my.npz")
