"""The configuration: its contract, its round trip, what it refuses and how it says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.config.catalog import DATASETS, MODELS
from iterand_engine.config.presets import presets
from iterand_engine.config.run_config import RunConfig, load_yaml, to_yaml
from iterand_engine.errors import UserError
from iterand_engine.machine.yaml import parse_yaml

# The contract, written down a second time on purpose: a released default never changes.
DEFAULTS = yaml.safe_load("""
name: null
data:
  dataset: cifar10
  path: null
  val_fraction: 0.1
  augmentation: paper
  normalization: imagenet
  train_limit: null
  split: fixed
model:
  name: resnet18
  width_factor: 1.0
method:
  name: iterand
  weight_init: signed-constant
  sparsity: 0.6
  score_init: kaiming-uniform
  ranking: signed
  layers: []
  randomize_every: 300
  randomize_rate: 0.1
  rule: uniform
training:
  epochs: 100
  batch_size: 128
  optimizer: sgd
  lr: 0.1
  momentum: 0.9
  weight_decay: 5.0e-4
  schedule: cosine
  milestones: []
  gamma: 0.1
  warmup_epochs: 0
  final_epochs: 0
  final_lr: 0.0
  seed: 1
compute:
  device: auto
  precision: auto
  deterministic: false
  threads: auto
  memory_format: auto
  workers: auto
recording:
  mask_every: 10
  checkpoint_minutes: 10.0
""")

NAMES = "conv2 | conv4 | conv6 | conv8 | resnet18 | resnet34 | resnet50 | resnet101 | wide-resnet50-2"

REFUSED: list[tuple[str, str]] = [
    # unknown and foreign options
    (
        "modle: {}",
        "Unknown option 'modle'; did you mean 'model'? "
        "(known here: name, data, model, method, training, compute, recording).",
    ),
    (
        "model: {width: 2}",
        "Unknown option 'model.width' (known here: name, width_factor).",
    ),
    (
        "epochs: 2",
        "Unknown option 'epochs'; did you mean 'training.epochs'? "
        "(known here: name, data, model, method, training, compute, recording).",
    ),
    ("model: {1: 2}", "Unknown option 'model.1' (known here: name, width_factor)."),
    (
        "method: {name: dense, sparsity: 0.5}",
        "The method 'dense': Unknown option 'method.sparsity' (known here: name, weight_init).",
    ),
    (
        "method: {name: edge-popup, rankin: signed}",
        "The method 'edge-popup': Unknown option 'method.rankin'; did you mean 'ranking'? "
        "(known here: name, weight_init, sparsity, score_init, ranking, layers).",
    ),
    (
        "method: {randomise_rate: 0.1}",
        "The method 'iterand': Unknown option 'method.randomise_rate'; did you mean 'randomize_rate'? "
        "(known here: name, weight_init, sparsity, score_init, ranking, layers, randomize_every, "
        "randomize_rate, rule).",
    ),
    (
        "method: {layers: [{match: conv, prune: 0.8}]}",
        "The method 'iterand': Unknown option 'method.layers[0].prune' (known here: match, mask, sparsity).",
    ),
    # unknown names
    (
        "data: {dataset: cifr10}",
        f"There is no dataset 'cifr10'; did you mean 'cifar10'? (known: {', '.join(DATASETS)}).",
    ),
    (
        "model: {name: resnet19}",
        f"There is no model 'resnet19'; did you mean 'resnet18'? (known: {', '.join(MODELS)}).",
    ),
    (
        "method: {name: iterant}",
        "There is no method 'iterant'; did you mean 'iterand'? (known: dense, edge-popup, iterand).",
    ),
    (
        "method: {rule: unifrom}",
        "There is no redraw rule 'unifrom'; did you mean 'uniform'? (known: uniform).",
    ),
    (
        "method: {rule: {name: uniform, rate: 0.1}}",
        "The redraw rule 'uniform' has no argument 'rate' (it takes: none).",
    ),
    ("method: {rule: {rate: 0.1}}", "The option 'method.rule.name' is missing; give it a value (text)."),
    (
        "compute: {device: gpu}",
        "compute.device is 'gpu'; allowed: auto | cpu | cuda | GPU-<start of its UUID>, "
        "as `iterand doctor` lists them.",
    ),
    # out of bounds
    ("method: {randomize_every: 0}", "method.randomize_every is 0; allowed: a whole number, 1 <= value."),
    ("method: {randomize_rate: 1.5}", "method.randomize_rate is 1.5; allowed: a number, 0 <= value <= 1."),
    ("method: {sparsity: 1}", "method.sparsity is 1; allowed: a number, 0 <= value < 1."),
    ("method: {sparsity: -0.1}", "method.sparsity is -0.1; allowed: a number, 0 <= value < 1."),
    (
        "method: {layers: [{match: a}, {match: conv, sparsity: 1.0}]}",
        "method.layers[1].sparsity is 1.0; allowed: a number, 0 <= value < 1 | null.",
    ),
    ("model: {width_factor: 16.5}", "model.width_factor is 16.5; allowed: a number, 0 < value <= 16."),
    ("model: {width_factor: 0}", "model.width_factor is 0; allowed: a number, 0 < value <= 16."),
    ("training: {lr: .nan}", "training.lr is nan; allowed: a finite number, 0 <= value."),
    ("training: {lr: .inf}", "training.lr is inf; allowed: a finite number, 0 <= value."),
    ("training: {epochs: 0}", "training.epochs is 0; allowed: a whole number, 1 <= value <= 1000000."),
    ("training: {seed: -1}", f"training.seed is -1; allowed: a whole number, 0 <= value < {2**63}."),
    ("data: {val_fraction: 1.0}", "data.val_fraction is 1.0; allowed: a number, 0 <= value < 1."),
    ("data: {train_limit: 0}", "data.train_limit is 0; allowed: a whole number, 1 <= value | null."),
    (
        "compute: {threads: 0}",
        "compute.threads is 0; allowed: auto | a whole number, 1 <= value <= 1024.",
    ),
    (
        "recording: {mask_every: 0}",
        "recording.mask_every is 0; allowed: a whole number, 1 <= value.",
    ),
    # wrong kinds of value
    (
        "compute: {threads: many}",
        "compute.threads is 'many'; allowed: auto | a whole number, 1 <= value <= 1024.",
    ),
    ("compute: {deterministic: maybe}", "compute.deterministic is 'maybe'; allowed: true | false."),
    ("training: {epochs: 1.5}", "training.epochs is 1.5; allowed: a whole number, 1 <= value <= 1000000."),
    (
        "training: {epochs: true}",
        "training.epochs is true, a truth value; allowed: a whole number, 1 <= value <= 1000000.",
    ),
    ("method: {sparsity: yes}", "method.sparsity is 'yes'; allowed: a number, 0 <= value < 1."),
    ("training: {lr: null}", "training.lr is null; allowed: a number, 0 <= value."),
    ("training: {lr: fast}", "training.lr is 'fast'; allowed: a number, 0 <= value."),
    ("training: {schedule: step}", "training.schedule is 'step'; allowed: cosine | constant | multistep."),
    (
        "training: {schedule: multistep, milestones: 3}",
        "training.milestones is 3; allowed: a list of whole numbers, each 1 <= value.",
    ),
    (
        "training: {schedule: multistep, milestones: [3, 0]}",
        "training.milestones[1] is 0; allowed: a list of whole numbers, each 1 <= value.",
    ),
    (
        "training: {schedule: multistep, milestones: [true]}",
        "training.milestones[0] is true; allowed: a list of whole numbers, each 1 <= value.",
    ),
    ("name: [5]", "name is [5]; allowed: text | null."),
    ("data: {path: [3]}", "data.path is [3]; allowed: text | null."),
    ("model: {name: [3]}", f"model.name is [3]; allowed: {NAMES}."),
    (
        "data: 3",
        "data is 3; allowed: a mapping with dataset, path, val_fraction, augmentation, normalization, "
        "train_limit, split.",
    ),
    ("model:", "model is null; allowed: a mapping with name, width_factor."),
    ("method: iterand", "method is 'iterand'; it must be a mapping, e.g. {name: iterand}."),
    ("method: {name: null}", "method.name is null; allowed: dense | edge-popup | iterand."),
    (
        "method: {rule: 3}",
        "method.rule is 3; allowed: uniform | a mapping with name and the rule's arguments.",
    ),
    (
        "method: {layers: conv}",
        "method.layers is 'conv'; allowed: a list, each a mapping with match, mask, sparsity.",
    ),
    (
        "method: {layers: [{sparsity: 0.5}]}",
        "The option 'method.layers[0].match' is missing; give it a value (text).",
    ),
    # several, and options that contradict each other
    (
        "training: {lr: fast, epochs: 0, gamma: 2}",
        "training.epochs is 0; allowed: a whole number, 1 <= value <= 1000000. (2 more to correct.)",
    ),
    (
        "method: {layers: [{match: conv, mask: false, sparsity: 0.5}]}",
        "method.layers: the rule for 'conv' has mask: false and sparsity 0.5, which exclude each other; "
        "keep one of them.",
    ),
    (
        "training: {epochs: 5, warmup_epochs: 3, final_epochs: 3}",
        "training.warmup_epochs 3 and training.final_epochs 3 do not fit into training.epochs 5; "
        "lower them or train longer.",
    ),
    (
        "training: {milestones: [3]}",
        "training.milestones is set but training.schedule is 'cosine'; use schedule: multistep, "
        "or leave milestones empty.",
    ),
    (
        "data: {dataset: npz}",
        "data.path is missing: the dataset 'npz' has no place of its own; "
        "set data.path to its file or folder.",
    ),
]


def refusal(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_yaml(path)
    return str(caught.value)


def test_that_the_defaults_are_the_contract() -> None:
    assert RunConfig().to_mapping() == DEFAULTS
    assert list(RunConfig().to_mapping()) == list(DEFAULTS)


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=[text for text, _ in REFUSED])
def test_that_a_mistake_is_refused_with_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    assert refusal(tmp_path / "config.yaml", text) == said


def test_that_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("# nothing yet\n")
    assert load_yaml(path) == RunConfig()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: [1", "line 1: did not find expected ',' or ']'"),
        ("model:\n  name: conv2\n  name: conv4", "line 3, column 3: the key 'name' is given twice"),
        ("? [name]\n: conv2", "line 1, column 3: a key must be a name"),
        (
            "name: !!timestamp x",
            "line 1, column 7: the tag !!timestamp is not allowed; write the value alone",
        ),
    ],
)
def test_that_what_is_not_yaml_is_refused_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert refusal(path, text) == f"The configuration {str(path)!r} is not valid YAML: {said}."


def test_that_a_list_or_a_word_is_no_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    for text in ("- conv2", "conv2"):
        assert refusal(path, text) == (
            f"The configuration {str(path)!r} must be a mapping of options, like `model: {{name: conv4}}`."
        )
    with pytest.raises(UserError, match="A configuration is a mapping of options, not list"):
        RunConfig.from_mapping([])  # type: ignore[arg-type]


def test_that_a_file_that_is_absent_or_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    with pytest.raises(UserError, match=r"Cannot read the configuration .*: No such file or directory\."):
        load_yaml(path)
    path.write_bytes(b"name: \xff")
    with pytest.raises(UserError, match="is not valid YAML"):
        load_yaml(path)


def test_that_a_number_with_an_exponent_is_a_number_with_or_without_a_point(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("training: {lr: 1e-3, weight_decay: 5.0e-4, final_lr: '1e-5'}")
    training = load_yaml(path).training
    assert (training.lr, training.weight_decay, training.final_lr) == (0.001, 0.0005, 0.00001)


@pytest.mark.parametrize("name", ["default", *presets()])
def test_that_a_configuration_survives_yaml(name: str, tmp_path: Path) -> None:
    config = RunConfig.from_mapping({} if name == "default" else presets()[name].mapping)
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config), encoding="utf-8")
    assert load_yaml(path) == config


LAYERS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"match": st.text(min_size=1), "mask": st.just(False)}),
        st.fixed_dictionaries(
            {"match": st.sampled_from(["conv", "linear", "layer1.*"])},
            optional={"sparsity": st.floats(0, 0.999)},
        ),
    ),
    max_size=3,
)
SCORE_OPTIONS = {
    "weight_init": st.sampled_from(["kaiming-uniform", "kaiming-normal", "signed-constant"]),
    "sparsity": st.floats(0, 1, exclude_max=True),
    "ranking": st.sampled_from(["signed", "magnitude"]),
    "layers": LAYERS,
}
PLAIN = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])
MAPPINGS = st.fixed_dictionaries(
    {
        "model": st.fixed_dictionaries(
            {
                "name": st.sampled_from(list(MODELS)),
                "width_factor": st.floats(0, 16, exclude_min=True),
            }
        ),
        "method": st.one_of(
            st.fixed_dictionaries({"name": st.just("edge-popup")}, optional=SCORE_OPTIONS),
            st.fixed_dictionaries(
                {"name": st.just("iterand"), "randomize_rate": st.floats(0, 1)}, optional=SCORE_OPTIONS
            ),
        ),
        "training": st.fixed_dictionaries(
            {"lr": st.floats(0, 1e300), "seed": st.integers(0, 2**63 - 1), "epochs": st.integers(1, 10**6)}
        ),
        "compute": st.fixed_dictionaries({"threads": st.one_of(st.just("auto"), st.integers(1, 1024))}),
    },
    optional={"name": st.one_of(st.none(), st.text(PLAIN))},
)


@given(MAPPINGS)
def test_that_any_valid_mapping_survives_json_and_yaml(mapping: dict[str, Any]) -> None:
    config = RunConfig.from_mapping(mapping)
    assert RunConfig.from_mapping(config.to_mapping()) == config
    assert RunConfig.from_mapping(yaml.safe_load(to_yaml(config))) == config
    assert RunConfig.from_mapping(parse_yaml(to_yaml(config))) == config
    assert config.method.name == mapping["method"]["name"]


def test_that_line_breaks_of_unicode_survive_yaml() -> None:
    config = RunConfig.from_mapping({"data": {"dataset": "npz", "path": "a\x85b\u2028c\u2029d"}})
    assert RunConfig.from_mapping(yaml.safe_load(to_yaml(config))) == config
    assert "ü" in to_yaml(RunConfig.from_mapping({"name": "ü"}))


def test_that_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().training.lr = 1.0


def test_that_a_name_is_made_where_none_is_given() -> None:
    assert RunConfig().display_name == "resnet18-x1-iterand"
    assert RunConfig.from_mapping({"model": {"width_factor": 0.25}}).display_name == "resnet18-x0.25-iterand"
    assert RunConfig.from_mapping({"name": "mine"}).display_name == "mine"
