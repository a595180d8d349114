"""Options with several values: how texts are split, and which runs their product makes."""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.config.axes import MAX_RUNS, SEED, parse_seeds, read_values, split_values
from iterand_engine.config.presets import preset
from iterand_engine.errors import OptionError, UserError
from iterand_engine.machine import yaml as iterand_yaml
from iterand_engine.machine.yaml import parse_yaml
from iterand_engine.runs.sweeps import SweepPlan, plan
from tests.paths import ROOT

QUICK = preset("quickstart").mapping


def as_flow(value: object) -> str:
    """A value as it may stand in a flow list."""
    text = yaml.safe_dump([value], default_flow_style=True, width=2**31, allow_unicode=True)
    return text.strip("\n").removeprefix("[").removesuffix("]")


EXPONENT = re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+")
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, blacklist_categories=["Cc"])).filter(
    lambda text: not EXPONENT.fullmatch(text)  # PyYAML leaves 0E0 unquoted, which we read as a number
)
KEYS = st.text(string.ascii_lowercase, min_size=1, max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def made(
    *sets: str, seeds: Sequence[int] = (), mapping: dict[str, Any] = QUICK, folder: Path = ROOT
) -> SweepPlan:
    changes: dict[str, Sequence[object]] = dict(map(read_values, sets))
    return plan(mapping, changes | ({SEED: seeds} if seeds else {}), folder)


@given(st.lists(VALUES, min_size=1, max_size=5), st.sampled_from([",", ", ", " , "]))
def test_that_values_joined_by_commas_are_split_into_the_same_values(
    values: list[object], comma: str
) -> None:
    split = split_values(comma.join(as_flow(value) for value in values))
    assert [parse_yaml(text) for text in split] == values


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("",)),
        ("0.1", ("0.1",)),
        (" 0.05 , 0.1 ", ("0.05", "0.1")),
        ("[3, 5]", ("[3, 5]",)),
        ("[3, 5],[]", ("[3, 5]", "[]")),
        ("{name: uniform, rate: 0.1}, uniform", ("{name: uniform, rate: 0.1}", "uniform")),
        ("\"a,b\",'it''s, so'", ('"a,b"', "'it''s, so'")),
        ("don't, won't", ("don't", "won't")),
        ("null,1", ("null", "1")),
        ("1, 2 # why", ("1", "2")),
    ],
)
def test_that_only_commas_outside_of_brackets_and_quotes_split(text: str, parts: tuple[str, ...]) -> None:
    assert split_values(text) == parts


@pytest.mark.parametrize("text", ["1,,2", "1,", ",", "[1,2", "a, 'b", "1], [2"])
def test_that_a_list_of_values_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="not a list of values with commas"):
        split_values(text)


AXES = st.fixed_dictionaries(
    {},
    optional={
        "training.lr": st.lists(st.floats(0, 10), min_size=1, max_size=3, unique=True),
        "model.width_factor": st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=1, unique=True),
        "training.milestones": st.lists(st.just([]), min_size=1, max_size=1),
        "data.train_limit": st.lists(st.none() | st.integers(1, 99), min_size=1, max_size=3, unique=True),
    },
)


@given(AXES, st.lists(st.integers(0, 2**63 - 1), max_size=3, unique=True))
def test_that_a_plan_is_the_product_of_all_values_each_once(
    axes: dict[str, list[object]], seeds: list[int]
) -> None:
    sets = [f"{option}={','.join(as_flow(value) for value in values)}" for option, values in axes.items()]
    found = made(*sets, seeds=seeds)
    wanted = set(itertools.product(seeds or [1], *(map(as_flow, values) for values in axes.values())))
    combinations = [
        (cell.config.training.seed, *(as_flow(at(cell.config.to_mapping(), option)) for option in axes))
        for cell in found.cells
    ]
    assert len(combinations) == len(wanted)
    assert set(combinations) == wanted
    varying = {option: tuple(values) for option, values in axes.items() if len(values) > 1}
    assert found.axes == varying | ({"training.seed": tuple(seeds)} if len(seeds) > 1 else {})
    assert found.is_sweep == bool(varying)
    for cell in found.cells:
        assert cell.values == {option: at(cell.config.to_mapping(), option) for option in found.axes}


@given(AXES, st.lists(st.integers(0, 9), max_size=3, unique=True))
def test_that_base_and_axes_alone_give_the_same_cells_again(
    axes: dict[str, list[object]], seeds: list[int]
) -> None:
    sets = [f"{option}={','.join(as_flow(value) for value in values)}" for option, values in axes.items()]
    first = made(*sets, "method.name=iterand,dense", "method.randomize_every=7,8", seeds=seeds)
    again = plan(first.base, first.axes, ROOT)
    assert (again.cells, again.axes, again.base) == (first.cells, first.axes, first.base)


def at(mapping: dict[str, Any], option: str) -> object:
    section, _, key = option.partition(".")
    value: object = mapping[section][key]
    return value


def test_that_nothing_with_several_values_is_one_run() -> None:
    found = made("training.lr=0.2", "name=mine, all mine", seeds=[4])
    (cell,) = found.cells
    assert (found.name, found.is_sweep, found.axes, cell.values) == ("mine, all mine", False, {}, {})
    assert (cell.config.training.lr, cell.config.training.seed) == (0.2, 4)
    assert cell.config.name == "mine, all mine"


def test_that_seeds_alone_are_a_group_and_no_sweep() -> None:
    found = made(seeds=[1, 2, 2, 5])
    assert not found.is_sweep
    assert [cell.config.training.seed for cell in found.cells] == [1, 2, 5]
    assert {cell.config.display_name for cell in found.cells} == {"conv4-x0.25-iterand"} == {found.name}
    assert made("training.seed=1,2,5").cells == found.cells


def test_that_the_whole_grid_comes_for_one_seed_before_the_next() -> None:
    found = made("training.lr=[1, 2]", "model.width_factor=0.5,1", seeds=[7, 3])
    order = [(c.config.training.seed, c.config.training.lr, c.config.model.width_factor) for c in found.cells]
    grid = [(1, 0.5), (1, 1), (2, 0.5), (2, 1)]
    assert order == [(seed, *cell) for seed in (7, 3) for cell in grid]


def test_that_a_method_lacks_options_and_equal_cells_are_one() -> None:
    found = made(
        "method.randomize_rate=0.05,0.2", "method.name=dense,edge-popup,iterand", "model.width_factor=0.5,1"
    )
    assert [cell.values for cell in found.cells] == [
        *({"method.name": "dense", "model.width_factor": width} for width in (0.5, 1)),
        *({"method.name": "edge-popup", "model.width_factor": width} for width in (0.5, 1)),
        *(
            {"method.name": "iterand", "method.randomize_rate": rate, "model.width_factor": width}
            for rate in (0.05, 0.2)
            for width in (0.5, 1)
        ),
    ]
    assert found.notes == (
        "dropped sparsity, randomize_every, randomize_rate: dense has no such option",
        "dropped randomize_every, randomize_rate: edge-popup has no such option",
        "of 12 combinations 8 differ",
    )
    assert found.axes["method.randomize_rate"] == (0.05, 0.2)


def test_that_an_option_dropped_from_a_set_alone_is_named() -> None:
    found = made(
        "method.sparsity=0.3,0.4", "method.name=dense,edge-popup", mapping={"method": {"name": "dense"}}
    )
    assert "dropped sparsity: dense has no such option" in found.notes
    assert [cell.values for cell in found.cells] == [
        {"method.name": "dense"},
        {"method.name": "edge-popup", "method.sparsity": 0.3},
        {"method.name": "edge-popup", "method.sparsity": 0.4},
    ]


def test_that_values_written_twice_count_once() -> None:
    found = made("training.lr=0.1,0.10,1e-1")
    assert (len(found.cells), found.axes) == (1, {})
    assert found.cells[0].config.training.lr == 0.1


def test_that_of_two_sets_of_an_option_the_last_counts() -> None:
    found = made("training.lr=0.1,0.2", "training.epochs=1", "training.lr=0.3")
    assert [cell.config.training.lr for cell in found.cells] == [0.3]


def test_that_cells_have_names_that_tell_them_apart() -> None:
    found = made("training.lr=0.1,0.2", "method.name=iterand,dense", seeds=[1, 2])
    assert found.name == "method x lr on digits"
    assert [cell.config.display_name for cell in found.cells[:4]] == [
        "conv4-x0.25-iterand-lr=0.1",
        "conv4-x0.25-iterand-lr=0.2",
        "conv4-x0.25-dense-lr=0.1",
        "conv4-x0.25-dense-lr=0.2",
    ]
    named = made("name=mine", "method.rule=uniform,{name: uniform}", "model.name=conv2,conv4")
    assert [cell.config.name for cell in named.cells] == [
        "mine-model=conv2-rule=uniform",
        "mine-model=conv4-rule=uniform",
    ]
    assert named.name == "mine"
    sets = made("data.dataset=digits,mnist", "training.milestones=[],[3,5]", "training.schedule=multistep")
    assert sets.name == "dataset x milestones"
    assert sets.cells[1].config.name == "conv4-x0.25-iterand-dataset=digits-milestones=[3,5]"


def test_that_relative_paths_among_the_values_are_seen_from_the_folder(tmp_path: Path) -> None:
    found = made("data.dataset=npz", 'data.path=one.npz,"two, three.npz"', folder=tmp_path)
    paths = (str(tmp_path / "one.npz"), str(tmp_path / "two, three.npz"))
    assert found.axes == {"data.path": paths}
    assert tuple(cell.config.data.path for cell in found.cells) == paths
    assert found.cells[0].config.display_name == "conv4-x0.25-iterand-path=one.npz"


def test_that_a_plan_leaves_the_mapping_alone() -> None:
    mapping: dict[str, Any] = {"training": {"lr": 0.3}}
    made("training.lr=0.1,0.2", "training.epochs=2", mapping=mapping)
    assert mapping == {"training": {"lr": 0.3}}


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["training.lr"], "'training.lr' is not of the form option=value"),
        (["a..b=1,2"], "is not of the form option=value"),
        (["training.lr=0.1,-1"], "training.lr is -1; allowed: a number, 0 <= value."),
        (["training.speed=1,2"], "Unknown option 'training.speed'"),
        (["method.name=iterand,iterant"], "There is no method 'iterant'; did you mean 'iterand'?"),
        (
            ["method.name=dense,iterand", "method.randomise_rate=0.1"],
            "The method 'dense': Unknown option 'method.randomise_rate'",
        ),
        (["method.name=dense", "method.sparsity=0.1,0.2"], "The method 'dense': Unknown option"),
        (["training={lr: 1},{lr: 2}"], "training has 2 values but is a whole section; only single options"),
        (
            ["method.rule=uniform,{name: uniform}", "method.rule.name=uniform"],
            "method.rule has 2 values and method.rule.name is set as well; only single options",
        ),
        (
            [
                f"training.lr={','.join(map(str, range(200)))}",
                f"data.train_limit={','.join(map(str, range(1, 99)))}",
            ],
            "200 values of training.lr x 98 values of data.train_limit are 19,600 runs; allowed at once: 10,",
        ),
    ],
)
def test_that_a_plan_that_makes_no_sense_is_refused(sets: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        made(*sets)
    assert said in str(caught.value)


def test_that_a_section_that_is_no_mapping_is_refused_as_elsewhere() -> None:
    with pytest.raises(OptionError, match="'method' is 3, which has no options of its own"):
        made("method.name=dense,iterand", mapping={"method": 3})


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("1-5", (1, 2, 3, 4, 5)), ("1,3,7", (1, 3, 7)), ("8, 2-4,3", (8, 2, 3, 4)), ("0", (0,))],
)
def test_that_seeds_are_read_in_order_each_once(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "1-", "5-1", "-3", "one", "1.5", "1,,2", "1 - 3"])
def test_that_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"training.seed is .*allowed: whole numbers like 1-5"):
        parse_seeds(text)


def test_that_too_many_seeds_are_refused_before_they_are_listed() -> None:
    assert len(parse_seeds(f"1-{MAX_RUNS}")) == MAX_RUNS
    for text in (f"0-{MAX_RUNS}", f"0-{10**18}"):
        with pytest.raises(UserError, match="names more than 10,000 seeds"):
            parse_seeds(text)


def test_that_a_thousand_cells_are_planned_from_values_without_reading_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[object] = []

    def counted(parse: Callable[..., object]) -> Callable[..., object]:
        def parse_and_count(*args: object, **options: object) -> object:
            read.append(args)
            return parse(*args, **options)

        return parse_and_count

    monkeypatch.setattr(iterand_yaml, "_read", counted(iterand_yaml._read))
    sets = [
        "method.name=iterand,edge-popup",
        "method.sparsity=0.1,0.3,0.5,0.7,0.9",
        "training.lr=0.01,0.02,0.05,0.1,0.2",
        "training.epochs=1,2",
    ]
    changes: dict[str, Sequence[object]] = dict(map(read_values, sets))
    assert len(read) == 4 + 14  # each list is taken apart once, and each value is read once
    read.clear()
    found = plan(QUICK, changes | {SEED: tuple(range(10))}, ROOT)
    assert len(found.cells) == 1000
    assert read == []
