"""Options may be added, and values may change their meaning: no run's group key moves by that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from iterand_engine.config.catalog import DATASETS, MODELS, RULES, Entry
from iterand_engine.config.method_options import IteRandOptions, LayerRule, RuleChoice, rule_options_class
from iterand_engine.config.options import Argument, Options, counts_always, option
from iterand_engine.config.run_config import (
    DataConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    data_options_class,
    method_options_class,
    model_options_class,
)
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.runs import group_key as run_identity
from iterand_engine.runs.group_key import Behaviour, behaviour_of, group_key, key_of
from iterand_engine.runs.make import make_run
from iterand_engine.store import Store
from tests.training_tasks import config_of

# The options that every group key has. An option that is added to a section or a method of today is not
# among them: it declares `born=...`, or it would split the experiments of everybody who upgrades.
ALWAYS = {
    "data": {"dataset", "path", "val_fraction", "augmentation", "normalization", "train_limit"},
    "model": {"name", "width_factor"},
    "training": {
        *("epochs", "batch_size", "optimizer", "lr", "momentum", "weight_decay", "schedule", "milestones"),
        *("gamma", "warmup_epochs", "final_epochs", "final_lr", "seed"),
    },
    "dense": {"name", "weight_init"},
    "edge-popup": {"name", "weight_init", "sparsity", "score_init", "ranking", "layers"},
    "iterand": {
        *("name", "weight_init", "sparsity", "score_init", "ranking", "layers"),
        *("randomize_every", "randomize_rate", "rule"),
    },
    "method.layers": {"match", "mask", "sparsity"},
    "method.rule": {"name"},
    "method.rule uniform": set(),
}


def key(config: RunConfig) -> str:
    return group_key(config, fingerprint="f", precision="fp32")


def without_later(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without the options of later, which have the values that they were born with."""
    return {
        section: {name: value for name, value in options.items() if name in ALWAYS[section]}
        if section in ("data", "training")
        else dict(options)
        if isinstance(options, Mapping)
        else options
        for section, options in mapping.items()
    }


class LaterTraining(TrainingConfig):
    smoothing: float = option(0.0, help="of the labels", born=0.0)


class LaterData(DataConfig):
    cutout: tuple[int, ...] = option((), help="sizes of holes", unit="pixels", born=())


class LaterModel(ModelConfig):
    stem: Literal["large", "small"] | None = option(None, help="first layer", born=None)


class LaterRule(LayerRule):
    slot: int = option(0, help="of the layer", born=0)


class LaterIteRand(IteRandOptions):
    temperature: float = option(1.0, help="of the scores", born=1.0)


class LaterLayers(IteRandOptions):
    layers: tuple[LaterRule, ...] = option((), help="exceptions by layer")


class EMA(Options):
    decay: float = option(0.0, help="of the average", born=0.0)


class LaterRun(RunConfig):
    training: LaterTraining = LaterTraining()
    ema: EMA = EMA()


@pytest.mark.parametrize(
    ("neutral", "other"),
    [
        ({"training": LaterTraining()}, {"training": LaterTraining(smoothing=0.1)}),
        ({"data": LaterData()}, {"data": LaterData(cutout=(8,))}),
        ({"model": LaterModel()}, {"model": LaterModel(stem="small")}),
        ({"method": LaterIteRand()}, {"method": LaterIteRand(temperature=2.0)}),
        ({"ema": EMA()}, {"ema": EMA(decay=0.9)}),
    ],
    ids=["section training", "section data", "section model", "method", "section of its own"],
)
def test_that_an_added_option_moves_no_key_until_it_is_used(
    neutral: dict[str, Any], other: dict[str, Any]
) -> None:
    assert key(LaterRun(**neutral)) == key(RunConfig())
    assert key(LaterRun(**other)) != key(RunConfig())


def test_that_an_option_added_to_a_rule_for_layers_moves_no_key_until_it_is_used() -> None:
    plain = key(RunConfig(method=IteRandOptions(layers=(LayerRule(match="fc"),))))
    assert key(RunConfig(method=LaterLayers(layers=(LaterRule(match="fc"),)))) == plain
    assert key(RunConfig(method=LaterLayers(layers=(LaterRule(match="fc", slot=1),)))) != plain


@pytest.fixture
def rule_with_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in redraw rule with an argument that it got later."""
    later = Argument("spread", "float", 1.0, born=1.0)
    monkeypatch.setitem(RULES, "uniform", Entry("uniform", "Uniform", "none:none", arguments=(later,)))


def test_that_an_argument_added_to_a_redraw_rule_moves_no_key_until_it_is_used(
    rule_with_argument: None,
) -> None:
    plain = key(RunConfig())  # its default rule was made without the argument
    for rule, same in (("uniform", True), ({"name": "uniform", "spread": 2.0}, False)):
        method = {"name": "iterand", "rule": rule}
        config = RunConfig.from_mapping({"method": method})
        assert config.to_mapping()["method"]["rule"]["spread"] == (1.0 if same else 2.0)
        assert (key(config) == plain) is same


def test_that_arguments_of_extension_code_always_count(monkeypatch: pytest.MonkeyPatch) -> None:
    depth = Argument("depth", "int", 1)
    monkeypatch.setitem(MODELS, "mine", Entry("mine", "Mine", "none:none", arguments=(depth,)))
    config = RunConfig.from_mapping({"model": {"name": "mine"}})
    counting = without_later(config.to_mapping())
    without = without_later(config.to_mapping())
    del without["model"]["depth"]
    assert key(config) == key_of(counting, fingerprint="f", precision="fp32")
    assert key(config) != key_of(without, fingerprint="f", precision="fp32")


def test_that_a_changed_default_does_move_the_key() -> None:
    class Changed(TrainingConfig):
        lr: float = option(0.2, help="initial learning rate")

    class ChangedLater(TrainingConfig):
        smoothing: float = option(0.1, help="of the labels", born=0.0)

    class ChangedMethod(IteRandOptions):
        sparsity: float = option(0.7, help="share that is removed")

    class ChangedRun(RunConfig):
        training: Changed = Changed()

    class ChangedLaterRun(RunConfig):
        training: ChangedLater = ChangedLater()

    keys = {key(ChangedRun()), key(ChangedLaterRun()), key(RunConfig(method=ChangedMethod()))}
    assert len(keys | {key(RunConfig())}) == 4


def always(options: type[BaseModel]) -> set[str]:
    return {name for name, field in options.model_fields.items() if counts_always(field)}


def test_that_every_option_of_later_says_what_it_was_born_with() -> None:
    found = {"data": always(DataConfig), "model": always(ModelConfig), "training": always(TrainingConfig)}
    found |= {name: always(method_options_class(name)) for name in ("dense", "edge-popup", "iterand")}
    found |= {"method.layers": always(LayerRule), "method.rule": always(RuleChoice)}
    found |= {"method.rule uniform": always(rule_options_class("uniform"))}
    assert found == ALWAYS, "an option of later declares born=..., see options.option"
    for name in MODELS:
        assert always(model_options_class(name)) == ALWAYS["model"], name
    for name in DATASETS:
        assert always(data_options_class(name)) == ALWAYS["data"], name


def test_that_every_section_of_later_counts_only_by_options_of_later() -> None:
    today = {"name", "data", "model", "method", "training", "compute", "recording"}
    for name, field in RunConfig.model_fields.items():
        if name not in today:
            section = field.annotation
            assert isinstance(section, type), name
            assert issubclass(section, BaseModel), name
            assert always(section) == set(), name


def is_large(config: RunConfig) -> bool:
    return config.model.width_factor > 1


MADE_UP = (
    Behaviour("decoding", 1, lambda config: config.data.dataset == "imagenet", "JPEGs are scaled."),
    Behaviour("draws", 1, is_large, "Draws of wide layers are keyed by channel."),
    Behaviour("draws", 2, is_large, "Draws of wide layers are keyed by filter."),
)


def test_that_how_image_files_are_read_counts_for_the_files_of_users_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def of(dataset: str) -> RunConfig:
        return RunConfig.from_mapping({"data": {"dataset": dataset, "path": "x"}})

    from_files = {"image-folder"}  # the published sets are read as before
    tags = {name: behaviour_of(of(name)) for name in DATASETS}
    assert {name for name, tag in tags.items() if tag} == from_files
    assert all(tags[name] == {"image-files": 1} for name in from_files)
    now = {name: key(of(name)) for name in DATASETS}
    monkeypatch.setattr(run_identity, "BEHAVIOURS", ())
    assert {name for name in DATASETS if key(of(name)) != now[name]} == from_files


def test_that_a_change_of_meaning_counts_for_the_runs_that_it_can_change_and_for_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, wide = RunConfig(), RunConfig(model=ModelConfig(width_factor=2))
    before = {key(plain), key(wide)}
    monkeypatch.setattr(run_identity, "BEHAVIOURS", MADE_UP[:2])
    assert (behaviour_of(plain), behaviour_of(wide)) == ({}, {"draws": 1})
    first = key(wide)
    assert key(plain) in before
    assert first not in before
    monkeypatch.setattr(run_identity, "BEHAVIOURS", MADE_UP)
    assert behaviour_of(wide) == {"draws": 2}
    assert key(plain) in before
    assert key(wide) not in before | {first}


def test_that_the_tags_of_a_run_are_stored_beside_its_key(
    workspace_dir: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = config_of("dense"), config_of("dense", model={"width_factor": 1.5})
    workspace = open_workspace_dir(workspace_dir)
    monkeypatch.setattr(run_identity, "BEHAVIOURS", MADE_UP)
    with Store.open(workspace) as store:
        plain, tagged = (store.reader.run(make_run(workspace, store, one)) for one in (small, large))
    assert (plain.behaviour, tagged.behaviour) == ({}, {"draws": 2})
    assert (plain.fingerprint, tagged.fingerprint) == ("digits-v1", "digits-v1")
    key_here = partial(key_of, without_later(tagged.config), fingerprint="digits-v1", precision="fp32")
    assert key_here(behaviour=tagged.behaviour) == tagged.group_key
    assert key_here() != tagged.group_key
