"""A number is what a person sees, through every door: `--set`, a file, the form, and a mapping in Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iterand_engine.config.axes import parse_seeds, read_values
from iterand_engine.config.run_config import RunConfig, load_yaml
from iterand_engine.config.sets import apply_changes, read_change
from iterand_engine.errors import OptionError, UserError
from iterand_gui.forms.values import check

REAL, WHOLE, TRUTH, TEXT = "training.lr", "training.epochs", "compute.deterministic", "name"
BASE = RunConfig().to_mapping()
Door = Callable[[str, str, Path], Any]


def _in_config(config: RunConfig, option: str) -> Any:
    value: Any = config.to_mapping()
    for key in option.split("."):
        value = value[key]
    return value


def by_set(option: str, text: str, folder: Path) -> Any:
    changed, _ = apply_changes({}, [read_change(f"{option}={text}")], folder=folder)
    return _in_config(RunConfig.from_mapping(changed), option)


def by_sweep(option: str, text: str, folder: Path) -> Any:
    read, values = read_values(f"{option}={text}")
    assert len(values) == 1, values
    return _in_config(
        RunConfig.from_mapping(apply_changes({}, [(read, values[0])], folder=folder)[0]), option
    )


def by_file(option: str, text: str, folder: Path) -> Any:
    section, _, name = option.rpartition(".")
    path = folder / "a.yaml"
    path.write_text(f"{section}:\n  {name}: {text}\n" if section else f"{name}: {text}\n", encoding="utf-8")
    return _in_config(load_yaml(path), option)


def by_form(option: str, text: str, folder: Path) -> Any:
    checked = check(BASE, {option: text}, folder)
    if checked.config is None:
        raise UserError(checked.problems[option])
    assert checked.combinations == 1
    return _in_config(checked.config, option)


DOORS: list[Door] = [by_set, by_sweep, by_file, by_form]

TAKEN = [
    *[(REAL, "0.1", 0.1), (REAL, ".5", 0.5), (REAL, "1", 1.0), (REAL, "1e-3", 1e-3), (REAL, "1e3", 1000.0)],
    *[(REAL, " 1 ", 1.0), (REAL, "+1", 1.0), (REAL, "1.000", 1.0), (REAL, "5.", 5.0)],
    *[(WHOLE, "10", 10), (WHOLE, "+10", 10), (WHOLE, " 10 ", 10), (WHOLE, "1e3", 1000)],
    *[(REAL, "'0.1'", 0.1), (WHOLE, "'10'", 10)],
    *[(TRUTH, "true", True), (TRUTH, "yes", True), (TRUTH, "Off", False), (TRUTH, "no", False)],
    *[(TEXT, "no", "no"), (TEXT, "010", "010"), (TEXT, "2020-01-01", "2020-01-01"), (TEXT, "1:30", "1:30")],
]
NO_NUMBERS = ["010", "0x10", "0b11", "1_000", "1:30", ".5.", "50%", "nan", "inf", "yes", "\u0663", "\uff11"]
REFUSED = [
    *((option, text) for option in (REAL, WHOLE) for text in NO_NUMBERS),
    *[(REAL, ".nan"), (REAL, ".inf"), (REAL, "1e999"), (REAL, "1e-999"), (REAL, "true")],
    *[(WHOLE, "1.0"), (WHOLE, "1.000"), (WHOLE, "10.5"), (WHOLE, "1.5e3"), (WHOLE, "1e-3")],
    *[(WHOLE, "1e30"), (WHOLE, "true"), (WHOLE, "9" * 5000), (TRUTH, "1"), (TRUTH, "0.0"), (TRUTH, "y")],
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("option", "text", "value"), TAKEN)
def test_that_what_is_taken_is_what_was_typed(
    door: Door, option: str, text: str, value: object, tmp_path: Path
) -> None:
    taken = door(option, text, tmp_path)
    assert (taken, type(taken)) == (value, type(value))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("option", "text"), REFUSED)
def test_that_every_other_reading_is_refused(door: Door, option: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        door(option, text, tmp_path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 700


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("text", "one", "two"),
    [("0,1", "0.1", "[0, 1]"), ("0,05", "0.05", "[0, 5]"), ("1,000", "1.000", "[1, 0]")],
)
@pytest.mark.parametrize("option", [REAL, "model.width_factor", "method.sparsity", "data.val_fraction"])
def test_that_a_decimal_comma_is_refused_with_both_spellings(
    door: Door, option: str, text: str, one: str, two: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as refused:
        door(option, text, tmp_path)
    assert f"{text!r}: write {one} for one number, or {two} for two values." in str(refused.value)


def test_that_values_are_several_where_that_is_plain() -> None:
    assert read_values(f"{REAL}=[0, 1]") == (REAL, (0, 1))
    assert read_values(f"{REAL}=0, 1") == (REAL, (0, 1))
    assert read_values(f"{REAL}=0.1,0.2") == (REAL, (0.1, 0.2))
    assert read_values(f"{REAL}=0,1,2") == (REAL, (0, 1, 2))
    assert read_values("training.seed=0,1") == ("training.seed", (0, 1))
    assert read_values("training.milestones=[1, 2]") == ("training.milestones", ([1, 2],))
    assert check(BASE, {REAL: "[0, 1]"}, Path()).changes == {REAL: (0, 1)}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[(REAL, "01"), (REAL, "0,1"), (REAL, True), (REAL, float("nan")), (REAL, [0.1]), (REAL, 10**400)],
        *[(WHOLE, "1.0"), (WHOLE, 10.0), (WHOLE, True), (WHOLE, "1_000"), (WHOLE, 1e300)],
        *[(TRUTH, 1), (TRUTH, 0.0), (TRUTH, "t"), (TEXT, 1), (TEXT, False)],
    ],
)
def test_that_python_values_of_another_kind_are_refused(option: str, value: object) -> None:
    with pytest.raises(OptionError) as refused:
        RunConfig.from_mapping(apply_changes({}, [(option, value)], folder=Path())[0])
    assert refused.value.option == option


@pytest.mark.parametrize("text", ["\u0661-\u0663", "01", "1-05", "1_0", "+1", "1.0", "0x1"])
def test_that_seeds_are_plain_digits(text: str) -> None:
    with pytest.raises(OptionError):
        parse_seeds(text)
