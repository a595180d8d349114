"""The texts of a form: each is read once into values, and an error is reported at its own option."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.config.run_config import to_yaml
from iterand_engine.machine.yaml import parse_yaml
from iterand_engine.runs.sweeps import plan
from iterand_gui.forms.specs import specs
from iterand_gui.forms.values import (
    WHOLE,
    check,
    choices_of,
    complete,
    same,
    text_of,
    values_of,
)

BASE = complete({})


@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x85\u2028\u2029\ufeff"),
        min_size=1,
    )
)
def test_that_any_text_option_goes_in_and_comes_out(value: str) -> None:
    (spec,) = (spec for spec in specs(choices_of(BASE, {})) if spec.path == "data.path")
    text = text_of(spec, value)
    assert same(spec, text, value) or value.strip() != value or value in ("null", "~")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_that_any_number_goes_in_and_comes_out(value: float) -> None:
    (spec,) = (spec for spec in specs(choices_of(BASE, {})) if spec.path == "training.lr")
    assert same(spec, text_of(spec, value), value)


@given(st.sampled_from([spec.path for spec in specs(choices_of(BASE, {}))]), st.text(max_size=30))
def test_that_no_text_breaks_the_form(path: str, text: str) -> None:
    checked = check(BASE, {path: text}, Path("/"))
    assert (checked.config is None) == bool(checked.problems)
    assert WHOLE not in checked.problems
    if checked.config is not None:
        assert plan(BASE, checked.changes, Path("/")).cells[0].config.to_mapping() is not None


@pytest.mark.parametrize(
    ("path", "text", "values"),
    [
        ("training.lr", "0.1, 1e-3", (0.1, 0.001)),
        ("training.lr", "0.1, 0.10,", (0.1,)),
        ("training.milestones", "[3, 5]", ([3, 5],)),
        ("training.milestones", "[3, 5], []", ([3, 5], [])),
        ("data.train_limit", "", (None,)),
        ("training.seed", "1-3,7", (1, 2, 3, 7)),
        ("data.path", "a b.npz, 12", ("a b.npz", "12")),
        ("data.path", "'a, b.npz'", ("a, b.npz",)),
        ("name", "first, second", ("first, second",)),
    ],
)
def test_that_texts_are_read_as_on_the_command_line(path: str, text: str, values: tuple[object, ...]) -> None:
    (spec,) = (spec for spec in specs(choices_of(BASE, {})) if spec.path == path)
    assert values_of(spec, text) == values


@pytest.mark.parametrize("name", ["2026-01-01", "1e3", "12", "yes", "null", "~", "a, b", "<b>&c"])
def test_that_a_name_stays_the_text_that_was_typed(name: str) -> None:
    config = check(BASE, {"name": name}, Path.cwd()).config
    assert config is not None
    assert config.name == name
    assert complete(parse_yaml(to_yaml(config)))["name"] == name
    (spec,) = (spec for spec in specs(choices_of(BASE, {})) if spec.path == "name")
    assert text_of(spec, name) == name


def test_that_a_control_character_in_a_name_is_said_beside_it() -> None:
    problems = check(BASE, {"name": "a\x1bb"}, Path.cwd()).problems
    assert problems == {
        "name": "It is 'a\\x1bb'; allowed: text on one line, which has no character U+001B | null."
    }


def test_that_every_mistake_stands_beside_its_own_field() -> None:
    texts = {
        "data.dataset": "npz",
        "model.width_factor": "17",
        "method.sparsity": "0.5, 1",
        "training.lr": "fast",
        "training.milestones": "[3]",
        "method.layers": "[{match: linear, sparsity: 2}]",
    }
    problems = check(BASE, texts, Path("/")).problems
    assert set(problems) == {*texts, "data.path"} - {"data.dataset"}
    assert problems["data.path"].startswith("It is missing: the dataset 'npz' has no place of its own")
    assert problems["method.sparsity"] == "It is 1; allowed: a number, 0 <= value < 1."
    assert problems["training.lr"] == "It is 'fast'; allowed: a number, 0 <= value."
    assert problems["method.layers"].startswith("method.layers[0].sparsity is 2; allowed: a number")


@pytest.mark.parametrize("changed", ["training.warmup_epochs", "training.final_epochs", "training.epochs"])
def test_that_values_that_do_not_go_together_are_reported_where_one_was_changed(changed: str) -> None:
    base = complete({"training": {"epochs": 10, "warmup_epochs": 5, "final_epochs": 5}})
    problems = check(base, {changed: "9" if changed != "training.epochs" else "3"}, Path("/")).problems
    assert list(problems) == [changed]
    assert "do not fit into training.epochs" in problems[changed]
