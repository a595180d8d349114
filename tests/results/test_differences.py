"""What differs between runs: just the options that do, by names that are short and still unique."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.config.run_config import RunConfig
from iterand_engine.results.differences import differences, short_names, value_text
from iterand_engine.runs.group_key import group_key
from tests.counting import calls_in

DENSE = {"name": "dense"}


def config(**changes: Any) -> dict[str, Any]:
    """A complete configuration, as a run's row holds it; sections or top options changed."""
    return RunConfig.from_mapping(changes).to_mapping()


def texts(*configs: dict[str, Any]) -> list[str]:
    by_id = {str(number): one for number, one in enumerate(configs)}
    found = differences(by_id)
    return [found.text(run_id) for run_id in by_id]


def test_that_equal_runs_differ_in_nothing() -> None:
    assert differences({}).names == {}
    assert texts(config()) == [""]
    assert texts(config(), config()) == ["", ""]


def test_that_only_differing_options_are_reported() -> None:
    found = differences(
        {
            "a": config(model={"width_factor": 0.5}, training={"lr": 0.1}),
            "b": config(model={"width_factor": 1.0}, training={"lr": 0.3}),
        }
    )
    assert found.names == {"model.width_factor": "width", "training.lr": "lr"}
    assert found.values == {
        "a": {"model.width_factor": 0.5, "training.lr": 0.1},
        "b": {"model.width_factor": 1.0, "training.lr": 0.3},
    }
    assert found.text("a") == "width 0.5, lr 0.1"
    assert found.text("b") == "width 1, lr 0.3"
    assert found.text("b", without=["model.width_factor"]) == "lr 0.3"


def test_that_labels_begin_with_what_separates_most() -> None:
    configs = {
        str(number): config(
            model={"width_factor": width}, training={"lr": lr}, method={"randomize_rate": 0.2 * lr}
        )
        for number, (width, lr) in enumerate([(0.5, 0.1), (0.5, 0.2), (1.0, 0.3)])
    }
    labels = differences(configs).labels()
    assert [labels.text(key) for key in configs] == [
        "r 0.02, lr 0.1, width 0.5",
        "r 0.04, lr 0.2, width 0.5",
        "r 0.06, lr 0.3, width 1",
    ]


def test_that_options_of_another_method_are_explained_by_it() -> None:
    iterand = config(method={"randomize_rate": 0.2}, training={"lr": 0.2})
    assert texts(iterand, config(method=DENSE)) == ["iterand, lr 0.2", "dense, lr 0.1"]
    more = config(method={"randomize_rate": 0.3})
    assert texts(iterand, config(method=DENSE), more) == [
        "iterand, randomize_rate 0.2, lr 0.2",
        "dense, lr 0.1",
        "iterand, randomize_rate 0.3, lr 0.1",
    ]


def test_that_what_may_differ_within_a_group_is_left_out_unless_asked_for() -> None:
    one = config(name="one", training={"seed": 1}, compute={"device": "cpu"}, recording={"mask_every": 5})
    other = config(name="two", training={"seed": 2}, compute={"threads": 3})
    assert texts(one, other) == ["", ""]
    found = differences({"one": one, "other": other}, but_for=())
    assert list(found.names.values()) == ["seed"], "name, device and recording make no other experiment"
    assert found.text("one") == "seed 1"


def test_that_the_precision_makes_runs_differ() -> None:
    one, other = config(compute={"precision": "fp32"}), config(compute={"precision": "bf16"})
    assert texts(one, other) == ["precision fp32", "precision bf16"]
    assert differences({"one": one, "other": other}, but_for=["compute.precision"]).names == {}


def test_that_a_rule_is_a_name_or_a_mapping() -> None:
    plain = config()
    uniform = {**plain, "method": {**plain["method"], "rule": {"name": "mine", "rate": 0.1}}}
    faster = {**plain, "method": {**plain["method"], "rule": {"name": "mine", "rate": 0.2}}}
    assert texts(uniform, faster) == ["rate 0.1", "rate 0.2"]
    for runs in ([plain, uniform, faster], [uniform, faster, plain]):
        assert set(texts(*runs)) == {"uniform", "mine rate=0.1", "mine rate=0.2"}


def test_that_an_option_that_older_runs_lack_is_no_difference() -> None:
    newer = config()
    older = {**newer, "training": {key: v for key, v in newer["training"].items() if key != "gamma"}}
    assert texts(older, newer) == texts(newer, older) == ["", ""]


options = st.sampled_from(["model.width_factor", "training.lr", "training.epochs", "data.val_fraction"])


@given(
    st.lists(
        st.dictionaries(options, st.sampled_from([1, 2, 3]), max_size=4),
        min_size=1,
        max_size=6,
    )
)
def test_that_the_options_found_are_those_with_two_values(chosen: list[dict[str, int]]) -> None:
    configs: dict[str, dict[str, Any]] = {}
    for number, values in enumerate(chosen):
        nested: dict[str, Any] = {}
        for option, value in values.items():
            section, key = option.split(".")
            nested.setdefault(section, {})[key] = value
        configs[str(number)] = nested
    found = differences(configs)
    known = {option for values in chosen for option in values}
    assert set(found.names) == {o for o in known if len({v[o] for v in chosen if o in v}) > 1}
    for run_id, values in zip(configs, chosen, strict=True):
        assert found.values[run_id] == {o: v for o, v in values.items() if o in found.names}


def test_that_configurations_are_not_changed() -> None:
    configs = {"a": config(), "b": config(training={"lr": 0.5})}
    before = {run_id: RunConfig.from_mapping(one).to_mapping() for run_id, one in configs.items()}
    differences(configs)
    assert configs == before


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["model.name", "method.name", "name"], ["model", "method", "name"]),
        (["data.dataset", "model.width_factor"], ["dataset", "width"]),
        (["method.rule.rate", "model.rate", "training.lr"], ["rule.rate", "model.rate", "lr"]),
        (["a.b.c", "b.c", "c"], ["a.b.c", "b.c", "c"]),
        (["method.rule", "method.rule.name"], ["method.rule", "method.rule.name"]),
        (["model.width_factor", "own.width"], ["model.width_factor", "own.width"]),
        (["training.lr", "training.lr"], ["lr"]),
    ],
)
def test_that_names_are_as_short_as_they_can_be(options: list[str], names: list[str]) -> None:
    assert list(short_names(options).values()) == names


@given(st.lists(st.lists(st.sampled_from(["name", "rule", "a"]), min_size=1, max_size=4).map(".".join)))
def test_that_no_two_options_have_one_name(options: list[str]) -> None:
    names = short_names(options)
    assert set(names) == set(options)
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (3, "3"),
        (0.1, "0.1"),
        (1e-5, "1e-05"),
        ("uniform", "uniform"),
        ([30, 60], "30 60"),
        ([], "[]"),
        ({"name": "mine", "rate": 0.1}, "mine rate=0.1"),
        ([{"match": "conv*", "mask": False}], "match=conv* mask=false"),
    ],
)
def test_that_values_are_short_texts(value: object, text: str) -> None:
    assert value_text(value) == text


def test_that_the_work_of_comparing_grows_with_the_configurations() -> None:
    few, many = (many_configs(count) for count in (1_000, 10_000))
    assert calls_in(lambda: differences(many)) < 15 * calls_in(lambda: differences(few))
    assert list(differences(many).names.values()) == ["width", "lr"]


def many_configs(count: int) -> dict[str, dict[str, Any]]:
    widths = (0.25, 0.5, 1.0)
    made = [config(model={"width_factor": width}) for width in widths]
    return {
        str(n): {**made[n % 3], "training": {**made[0]["training"], "seed": n, "lr": 0.1 * (1 + n % 4)}}
        for n in range(count)
    }


def test_that_an_experiment_is_what_the_group_key_hashes() -> None:
    """Another value makes another key where it makes another experiment, and only there."""
    whole = RunConfig.from_mapping(config())
    changed = {
        "name": "other",
        "model.width_factor": 0.5,
        "method.sparsity": 0.6,
        "training.lr": 0.3,
        "training.seed": 77,
        "compute.threads": 3,
        "recording.mask_every": 7,
    }

    def key(of: RunConfig) -> str:
        return group_key(of, fingerprint="digits-v1", precision="fp32")

    for option, value in changed.items():
        section, _, name = option.rpartition(".")
        mapping = whole.to_mapping()
        (mapping[section] if section else mapping)[name] = value
        other = RunConfig.from_mapping(mapping)
        differ = differences({"one": whole.to_mapping(), "other": other.to_mapping()}).names
        assert (key(other) != key(whole)) == (option in differ), option
