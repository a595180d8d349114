"""The filter line: what it finds, what it refuses in which words, and that its page is true."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.config import catalog
from iterand_engine.config.catalog import METHODS, Entry
from iterand_engine.config.options import Argument
from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.results import filter_fields
from iterand_engine.results.filter_fields import ALIASES, COLUMNS, find_field, option_fields
from iterand_engine.results.filters import Condition, Filter, parse
from iterand_engine.store import RunRow, RunState
from tests.paths import ROOT
from tests.run_rows import run_row

PAGE = ROOT / "docs" / "filters.md"
NOW = 1_000_000.0
# Of a RunRow, the fields that a user does not filter by.
NO_FIELDS = {
    *("stored_state", "stop_requested", "test_unlocked", "owner", "heartbeat_at", "last_step_at"),
    *("revision", "rewind", "waiting", "queue_rank", "device_errors"),
    *("fingerprint", "end_kind"),
    "accuracy_so_far",  # which the field val_accuracy reads
}
ROW = run_row(
    id="3f2a9c00-0000-4000-8000-000000000001",
    name="ResNet18-x0.5-iterand",
    state=RunState.RUNNING,
    created_at=NOW - 100,
    started_at=NOW - 90,
    elapsed_s=80.0,
    step=400,
    epoch=3,
    total_steps=1000,
    model="resnet18",
    width_factor=0.5,
    seed=2**53 + 1,
    group_key="0badcafe",
    val_accuracy=0.75,
)


def config(**sections: Mapping[str, Any]) -> dict[str, Any]:
    """A complete configuration as stored, with some options changed."""
    return RunConfig.from_mapping(sections).to_mapping()


ITERAND = config(method={"name": "iterand", "sparsity": 0.6}, training={"lr": 0.1})


def found(text: str, stored: Mapping[str, Any] = ITERAND, **columns: object) -> bool:
    return parse(text).matches(replace(ROW, **columns), stored, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "resnet",
        "RESNET18 iterand -x0.5-",
        "\"x0.5-ite\" 'resnet'",
        "width>=0.5",
        "width >= 0.5   method : iterand",
        "WIDTH=0.50 Method:IteRand",
        "model:resnet18 dataset:digits state:running",
        "name:resnet18-x0.5-iterand",
        "name:'ResNet18-x0.5-iterand'",
        "id:3f2a id:3F2A9C00-0000-4000-8000-000000000001 group_key:0bad",
        "seed:9007199254740993 seed!=9007199254740992",
        "step>399 step<=400 step<401 epoch=3 total_steps:1000",
        "age_s>99 age_s<101 elapsed_s:80",
        "val_accuracy>0.7 val_accuracy<1e0",
        "sparsity=0.6 method.sparsity=6e-1 lr<=0.1 training.lr>=0.1",
        "method.name:iterand model.name:resnet18",
        "final_digest:null git_commit:null ended_at:null started_at!=null",
        "path:null data.train_limit:null",
        "threads:auto threads!=4 workers:auto",
        "deterministic:false deterministic!=true",
        "layers:null milestones:null rule:uniform method.rule:uniform",
        "randomize_every:300 randomize_rate!=0.2",
    ],
)
def test_that_a_run_is_found_by_what_is_true_of_it(text: str) -> None:
    assert found(text)


@pytest.mark.parametrize(
    "text",
    [
        "vgg",
        "resnet vgg",
        '"x0.5 iterand"',
        "width>0.5",
        "width!=0.5",
        "width:0.5 method:dense",
        "name:resnet18",
        'name:""',
        "id:9c00",
        "id:null",
        "state:finished",
        "seed:9007199254740992",
        "age_s<99",
        "ended_at>0",
        "ended_at<0",
        "train_limit<1e9",
        "threads>=1",
        "threads:null",
        "reason:x",
        "layers:conv",
        "milestones>=1",
        "deterministic:true",
    ],
)
def test_that_a_run_is_not_found_by_what_is_not_true_of_it(text: str) -> None:
    assert not found(text)


def test_that_what_a_run_does_not_have_equals_only_null() -> None:
    dense = config(method={"name": "dense"})
    assert found("sparsity:null sparsity!=0.6", dense)
    for text in ("sparsity=0.6", "sparsity<0.6", "sparsity>=0.6", "sparsity!=null"):
        assert not found(text, dense)


def test_that_a_list_meets_a_condition_where_one_value_does() -> None:
    stored = config(training={"schedule": "multistep", "milestones": [30, 60]})
    assert found("milestones:30 milestones:60 milestones>50 milestones!=null milestones!=40", stored)
    assert not found("milestones:40", stored)
    assert not found("milestones!=30", stored)
    assert not found("milestones>60", stored)


def test_that_a_tag_is_one_of_a_runs_tags() -> None:
    stored, row = config(), run_row(tags=("good", "paper"))
    assert parse("tag:paper tags:GOOD tag!=old").matches(row, stored, NOW)
    assert not parse("tag:pap").matches(row, stored, NOW)
    assert parse("tags:null").matches(run_row(), stored, NOW)


def test_that_rules_and_exceptions_are_known_by_name() -> None:
    stored = config(method={"layers": [{"match": "conv", "sparsity": 0.8}]})
    stored["method"]["rule"] = {"name": "mine", "rate": 0.1}
    assert found("rule:mine layers:conv layers!=null rule!=uniform", stored)
    assert not found("layers:linear", stored)


def test_that_an_option_that_takes_a_number_or_a_word_compares_as_what_it_is() -> None:
    stored = config(compute={"threads": 4})
    assert found("threads:4 threads>=2 threads!=auto", stored)
    assert not found("threads:auto", stored)


def test_that_arguments_of_redraw_rules_are_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (Argument("rate", "float", 0.1), Argument("mode", "choice", "Hard", choices=("Hard", "Soft")))
    monkeypatch.setitem(catalog.RULES, "mine", Entry("mine", "Mine", "x:y", arguments=arguments))
    stored: dict[str, Any] = {"method": {"rule": {"name": "mine", "rate": 0.1, "mode": "Soft"}}}
    assert found("rate:0.1 rule.rate>0 method.rule.rate<1 mode:soft", stored)
    assert not found("method.rule.rate<1", ITERAND)  # its rule has no arguments


def test_that_a_last_part_that_several_options_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (Argument("lr", "float", 0.1),)
    monkeypatch.setitem(catalog.RULES, "mine", Entry("mine", "Mine", "x:y", arguments=arguments))
    with pytest.raises(UserError, match=r"'lr' may be training\.lr or method\.rule\.lr: write one of these"):
        parse("lr:0.1")
    assert found("training.lr:0.1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("widht>=0.5", "no field 'widht'; did you mean 'width'?"),
        ("mehtod.name:iterand", "did you mean 'method.name'?"),
        ("foo:bar", "put the word in quotes"),
        ("test_accuracy>0.9", "test_accuracy is no field"),
        ("width>=wide", "'wide' in the filter is no number, and width_factor is one"),
        ("lr:fast", "'fast' in the filter is no number, and training.lr is one"),
        ("threads>=auto", "'auto' in the filter is no number"),
        ("width>nan", "'nan' in the filter is no number"),
        ("width<inf", "'inf' in the filter is no number"),
        ("width>null", "'null' in the filter is no number"),
        ("width>=", "width>= needs a value, e.g. width>=0.5"),
        ("name:", "needs a value"),
        ("method>dense", "compares numbers, which method is not"),
        ("state:runing", "no state 'runing'; did you mean 'running'? (states: queued, starting,"),
        ("deterministic:yes", "compute.deterministic is true or false"),
        ("width==0.5", "unknown operator"),
        ("width=>0.5", "unknown operator"),
        (">=0.5", "no field before '>=0.5'"),
        ('"my run', "must close"),
        ('name:"my run', "must close"),
        ('"a"b', "must close"),
    ],
)
def test_that_a_mistake_is_said_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)) as error:
        parse(text)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


@given(st.text() | st.text(alphabet=" :=<>!\"'wd.05_"))
def test_that_any_text_is_a_filter_or_a_users_mistake(text: str) -> None:
    try:
        parsed = parse(text)
    except UserError:
        return
    assert isinstance(parsed.matches(ROW, ITERAND, NOW), bool)
    assert hash(parsed) == hash(parse(text))


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters='"')), max_size=4))
def test_that_quoted_words_are_looked_for_as_they_are(words: list[str]) -> None:
    line = " ".join(f'"{word}"' for word in words)
    assert parse(line).matches(replace(ROW, name="".join(words)), {}, NOW)
    assert parse(line) == Filter(tuple(word.casefold() for word in words))


NUMBERS = st.integers(-5, 5) | st.floats(-5, 5)


@given(NUMBERS | st.none(), NUMBERS)
def test_that_numbers_compare_as_numbers(stored: float | None, wanted: float) -> None:
    def holds(order: str) -> bool:
        return found(f"val_accuracy{order}{wanted!r}", accuracy_so_far=stored)

    if stored is None:
        assert [holds(order) for order in (":", "=", "<", "<=", ">", ">=", "!=")] == [False] * 6 + [True]
        return
    assert (holds(":"), holds("="), holds("!=")) == (stored == wanted, stored == wanted, stored != wanted)
    assert (holds("<"), holds("<=")) == (stored < wanted, stored <= wanted)
    assert (holds(">"), holds(">=")) == (stored > wanted, stored >= wanted)


VALUES = st.none() | st.booleans() | NUMBERS | st.text(max_size=3) | st.lists(NUMBERS, max_size=2)


@given(VALUES, st.none() | st.booleans() | NUMBERS | st.text(max_size=3).map(str.casefold))
def test_that_unequal_is_the_opposite_of_equal(stored: object, wanted: Any) -> None:
    option = find_field("method.rule")
    having = {"method": {"rule": stored}}
    equal = Condition(option, "=", wanted).holds(ROW, having, NOW)
    assert Condition(option, "!=", wanted).holds(ROW, having, NOW) is not equal


def test_that_the_columns_of_a_run_are_fields_but_for_what_nobody_asks() -> None:
    names = {field.name for field in fields(RunRow)}
    assert names == (set(COLUMNS) - {filter_fields.AGE}) | NO_FIELDS
    for name in COLUMNS:
        find_field(name).read(ROW, ITERAND, NOW)


@pytest.mark.parametrize("method", METHODS)
def test_that_every_option_is_a_field(method: str) -> None:
    stored = config(method={"name": method})
    del stored["name"]  # is the run's own
    for section, options in stored.items():
        for name, value in options.items():
            assert find_field(f"{section}.{name}").read(ROW, stored, NOW) == value
            assert find_field(name).key in (f"{section}.{name}", name)


def test_that_the_page_names_every_column_and_its_examples_are_filters() -> None:
    page = PAGE.read_text(encoding="utf-8")
    in_table = {
        name for row in re.findall(r"^\| (`.*?) \|", page, re.M) for name in re.findall(r"`(\w+)`", row)
    }
    assert in_table == {*COLUMNS, *ALIASES}
    assert all(f"{state}" in page for state in RunState)
    (examples,) = re.findall(r"```text\n(.*?)```", page, re.S)
    lines = [re.split(r" {3,}", line)[0] for line in examples.splitlines()]
    assert len(lines) == 9
    for line in [*lines, *re.findall(r"`(\w+(?:[:=<>]|!=)[^`]+)`", page)]:
        assert parse(line) != Filter()


def test_that_all_options_are_found_under_their_own_keys() -> None:
    assert {"training.lr", "method.sparsity", "method.randomize_every", "name"} <= set(option_fields())
    assert all(find_field(key).key == key for key in option_fields())
