"""Declared arguments of extensions are options: in files, --set, filters, sweeps, the page and the key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.cli.option_docs import configuration_page
from iterand_engine.config.catalog import DATASETS
from iterand_engine.config.run_config import DataConfig, ModelConfig, RunConfig, to_yaml
from iterand_engine.config.sets import apply_changes, read_change
from iterand_engine.data.file_cache import FileFacts
from iterand_engine.data.fingerprint import dataset_fingerprint
from iterand_engine.data.readers.extension import extension_fingerprint
from iterand_engine.errors import UserError
from iterand_engine.extensions.active import activate, activated, deactivate, used_by
from iterand_engine.machine.workspace import Workspace
from iterand_engine.results.filters import parse
from iterand_engine.runs.group_key import group_key
from iterand_engine.runs.sweeps import plan
from tests.extension_code import ALL, DATA, RULE, enable_here, trusted, workspace_with

OWN: dict[str, Any] = {
    "data": {"dataset": "noise", "classes": 5},
    "model": {"name": "tiny", "depth": 2, "shape": "round"},
    "method": {"name": "mine", "sparsity": 0.5, "temperature": 2, "rule": {"name": "mine", "rate": 0.5}},
}


@pytest.fixture(scope="module", autouse=True)
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace whose extensions, one of every kind, are in the catalogs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        folder = tmp_path_factory.mktemp("workspace")
        made = workspace_with(folder, **{name.removesuffix(".py"): text for name, text in ALL.items()})
        activate(made)
        yield made
        deactivate()


def changed(*sets: str, mapping: dict[str, Any] = OWN) -> tuple[RunConfig, list[str]]:
    result, notes = apply_changes(mapping, map(read_change, sets), folder=Path.cwd())
    return RunConfig.from_mapping(result), notes


def test_that_arguments_are_options_with_their_defaults() -> None:
    mapping = RunConfig.from_mapping(OWN).to_mapping()
    assert mapping["model"] == {
        "name": "tiny",
        "width_factor": 1.0,
        "depth": 2,
        "slope": 1.0,
        "gate": False,
        "shape": "round",
        "note": "",
    }
    assert mapping["data"]["classes"] == 5
    assert mapping["data"]["count"] == 64
    assert mapping["method"]["temperature"] == 2.0
    assert mapping["method"]["randomize_every"] == 300
    assert mapping["method"]["rule"] == {"name": "mine", "rate": 0.5}
    assert RunConfig.from_mapping({"method": {"rule": "mine"}}).to_mapping()["method"]["rule"] == {
        "name": "mine",
        "rate": 0.25,
    }


@given(
    st.fixed_dictionaries(
        {"name": st.just("tiny")},
        optional={
            "depth": st.integers(1, 4),
            "slope": st.floats(allow_nan=False, allow_infinity=False),
            "gate": st.booleans(),
            "shape": st.sampled_from(["flat", "round"]),
            "note": st.text(),
            "width_factor": st.floats(0.01, 16),
        },
    ),
    st.one_of(st.just("mine"), st.fixed_dictionaries({"name": st.just("mine"), "rate": st.floats(0, 1)})),
)
def test_that_any_valid_arguments_survive_json_and_yaml(model: dict[str, Any], rule: Any) -> None:
    config = RunConfig.from_mapping({"model": model, "method": {"name": "mine", "rule": rule}})
    assert RunConfig.from_mapping(config.to_mapping()) == config
    assert RunConfig.from_mapping(yaml.safe_load(to_yaml(config))) == config
    assert config.to_mapping()["model"] == {**config.to_mapping()["model"], **model}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: {name: tiny, depth: 5}", "model.depth is 5; allowed: a whole number, 1 <= value <= 4."),
        (
            "model: {name: tiny, depth: yes}",
            "model.depth is true, a truth value; allowed: a whole number, 1 <=",
        ),
        ("model: {name: tiny, slope: steep}", "model.slope is 'steep'; allowed: a number."),
        ("model: {name: tiny, slope: .nan}", "model.slope is nan; allowed: a finite number."),
        ("model: {name: tiny, shape: oval}", "model.shape is 'oval'; allowed: flat | round."),
        ("model: {name: tiny, gate: maybe}", "model.gate is 'maybe'; allowed: true | false."),
        ("model: {name: tiny, note: 3}", "model.note is 3; allowed: text."),
        (
            "model: {name: tiny, dept: 3}",
            "Unknown option 'model.dept'; did you mean 'depth'? (known here: name, w",
        ),
        (
            "model: {name: tiny, width_factor: 99}",
            "model.width_factor is 99; allowed: a number, 0 < value <= 16.",
        ),
        ("model: {depth: 3}", "Unknown option 'model.depth' (known here: name, width_factor)."),
        ("model: {name: conv2, depth: 3}", "Unknown option 'model.depth' (known here: name, width_factor)."),
        ("data: {dataset: noise, classes: many}", "data.classes is 'many'; allowed: a whole number."),
        ("data: {dataset: digits, classes: 3}", "Unknown option 'data.classes'"),
        ("method: {name: mine, temperature: hot}", "method.temperature is 'hot'; allowed: a number."),
        (
            "method: {name: mine, temprature: 1}",
            "The method 'mine': Unknown option 'method.temprature'; did you",
        ),
        ("method: {name: iterand, temperature: 1}", "Unknown option 'method.temperature'"),
        ("method: {rule: {name: mine, rate: fast}}", "method.rule.rate is 'fast'; allowed: a number."),
        (
            "method: {rule: {name: mine, rat: 1}}",
            "The redraw rule 'mine' has no argument 'rat'; did you mean 'rate'?",
        ),
    ],
)
def test_that_a_wrong_argument_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        RunConfig.from_mapping(yaml.safe_load(text))
    assert said in str(caught.value)


def test_that_set_changes_arguments_and_another_choice_drops_them() -> None:
    config, notes = changed("model.depth=4", "method.rule.rate=0.1", "data.count=80", "method.temperature=3")
    mapping = config.to_mapping()
    assert (mapping["model"]["depth"], mapping["method"]["rule"]["rate"]) == (4, 0.1)
    assert (mapping["data"]["count"], mapping["method"]["temperature"], notes) == (80, 3.0, [])
    _, notes = changed("model.name=conv2", "data.dataset=digits", "method.name=iterand")
    assert notes == [
        "dropped depth, shape: conv2 has no such option",
        "dropped classes: digits has no such option",
        "dropped temperature: iterand has no such option",
    ]
    _, notes = changed("method.rule.name=uniform")
    assert notes == ["dropped rate: uniform has no such option"]
    config, notes = changed("method.rule=uniform")
    assert (config.to_mapping()["method"]["rule"], notes) == ("uniform", [])
    config, _ = changed("method.rule.rate=0.1", mapping={"method": {"rule": "mine"}})
    assert config.to_mapping()["method"]["rule"] == {"name": "mine", "rate": 0.1}
    config, _ = changed("model.name=tiny", "model.depth=3", mapping={})
    assert config.to_mapping()["model"]["depth"] == 3


def test_that_what_was_no_option_before_is_still_refused_after_a_change_of_network() -> None:
    with pytest.raises(UserError, match=r"Unknown option 'model\.dept'"):
        changed("model.name=conv2", mapping={"model": {"name": "tiny", "depth": 2, "dept": 2}})


def test_that_arguments_make_sweeps() -> None:
    made = plan(OWN, {"model.depth": (1, 2), "method.rule.rate": (0.1, 0.2)}, Path.cwd())
    values = [
        (cell.config.to_mapping()["model"]["depth"], cell.config.to_mapping()["method"]["rule"]["rate"])
        for cell in made.cells
    ]
    assert values == [(1, 0.1), (1, 0.2), (2, 0.1), (2, 0.2)]


def test_that_filters_know_arguments_by_their_type() -> None:
    config = RunConfig.from_mapping(OWN).to_mapping()

    def found(text: str) -> bool:
        return parse(text).matches(None, config, 0.0)  # type: ignore[arg-type]

    assert found(
        "depth>1 model.depth=2 slope<=1 gate:false shape:ROUND rule.rate>0.4 temperature:2 classes:5"
    )
    assert not found("depth>2")
    for text, said in {
        "shape>1": "compares numbers, which model.shape is not",
        "gate:maybe": "model.gate is true or false",
        "depth:deep": "'deep' in the filter is no number",
    }.items():
        with pytest.raises(UserError, match=said):
            parse(text)


def test_that_built_in_choices_have_the_options_classes_that_they_had() -> None:
    config = RunConfig.from_mapping({"model": {"name": "conv4"}, "data": {"dataset": "digits"}})
    assert type(config.model) is ModelConfig
    assert type(config.data) is DataConfig
    assert config.to_mapping()["method"]["rule"] == "uniform"


def key(mapping: dict[str, Any], *extensions: str) -> str:
    config = RunConfig.from_mapping(mapping)
    return group_key(config, fingerprint="f", precision="fp32", extensions=extensions)


def test_that_arguments_and_code_decide_the_group_key() -> None:
    spelled = {**OWN, "model": {"name": "tiny", "depth": 2, "shape": "round", "slope": 1, "gate": False}}
    assert key(spelled, "a") == key(OWN, "a")
    others = [
        key(OWN, "b"),
        key({**OWN, "model": {**OWN["model"], "depth": 3}}, "a"),
        key({**OWN, "method": {**OWN["method"], "rule": "mine"}}, "a"),
        key({**OWN, "method": {**OWN["method"], "temperature": 1}}, "a"),
        key({**OWN, "data": {"dataset": "noise", "classes": 4}}, "a"),
    ]
    assert len({key(OWN, "a"), *others}) == len(others) + 1


def test_that_the_files_that_a_run_uses_are_known() -> None:
    def files(mapping: dict[str, Any]) -> list[str]:
        return [use.file for use in used_by(RunConfig.from_mapping(mapping))]

    assert files(OWN) == ["data.py", "method.py", "net.py", "rule.py"]
    assert files({"model": {"name": "tiny"}}) == ["net.py"]
    assert files({"method": {"rule": "mine"}}) == ["rule.py"]
    assert files({"method": {"name": "mine"}}) == ["method.py"]
    assert files({"method": {"name": "dense"}}) == []


def test_that_the_fingerprint_follows_code_arguments_and_files(workspace: Workspace, tmp_path: Path) -> None:
    data = tmp_path / "data.bin"
    data.write_bytes(b"one")
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "b.png").write_bytes(b"123")

    def fingerprint(**options: Any) -> str:
        config = RunConfig.from_mapping({"data": {"dataset": "noise", **options}}).data
        return dataset_fingerprint(config, [tmp_path / "root"])

    seen = [
        fingerprint(),
        fingerprint(classes=5),
        fingerprint(path=str(data)),
        fingerprint(path=str(folder)),
    ]
    assert fingerprint() == seen[0]
    assert fingerprint(val_fraction=0.5) == seen[0]
    data.write_bytes(b"two!")
    (folder / "a" / "c.png").write_bytes(b"4")
    seen += [fingerprint(path=str(data)), fingerprint(path=str(folder))]
    copy = tmp_path / "elsewhere.bin"
    copy.write_bytes(b"one")
    assert fingerprint(path=str(copy)) == seen[2]
    trusted(workspace, "data.py", DATA + "# edited")
    with activated(workspace):
        seen.append(fingerprint())
    trusted(workspace, "data.py", DATA)
    assert len(set(seen)) == len(seen)
    with pytest.raises(UserError, match="there is no such file or folder"):
        fingerprint(path=str(tmp_path / "nowhere"))


def test_that_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    config = RunConfig.from_mapping({"data": {"dataset": "noise", "path": str(tmp_path / "gone")}}).data
    with pytest.raises(UserError, match=r"Cannot read data\.path .*: No such file or directory\."):
        extension_fingerprint(DATASETS["noise"], config, FileFacts(None))


def test_that_a_dataset_that_needs_a_path_is_refused_without(workspace: Workspace) -> None:
    text = (
        "from pathlib import Path\nfrom iterand_engine.extending import dataset\n"
        "@dataset\ndef mine(path: Path): ..."
    )
    trusted(workspace, "paths.py", text)
    with activated(workspace):
        with pytest.raises(
            UserError, match=r"data\.path is missing: the dataset 'mine' has no place of its own"
        ):
            RunConfig.from_mapping({"data": {"dataset": "mine"}})
        RunConfig.from_mapping({"data": {"dataset": "mine", "path": "/x"}})
    (workspace.extensions_dir / "paths.py").unlink()


def test_that_the_reference_page_shows_extension_code_while_it_is_active() -> None:
    lines = configuration_page().splitlines()
    for row in (
        "| `model.depth` | `1` |  | a whole number, 1 <= value <= 4 | hidden layers |",
        "| `data.classes` | `3` |  | a whole number |  |",
        "| `method.rule.rate` | `0.25` |  | a number |  |",
        "| `method.temperature` | `1.0` |  | a number |  |",
    ):
        assert row in lines, row
    assert "### `name: tiny`" in lines


def test_that_an_enabled_edit_changes_the_options(workspace: Workspace) -> None:
    text = RULE.replace("rate: float = 0.25", "share: int = 3")
    (workspace.extensions_dir / "rule.py").write_text(text)
    enable_here(workspace, "rule.py")
    with activated(workspace):
        rule = RunConfig.from_mapping({"method": {"rule": "mine"}}).to_mapping()["method"]["rule"]
        assert rule == {"name": "mine", "share": 3}
    trusted(workspace, "rule.py", RULE)
