"""What an extension may declare, what its signatures become, and how mistakes are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from iterand_engine.config.extension_code import Declaration
from iterand_engine.config.options import Argument
from iterand_engine.preflight.extension_process import described
from tests.extension_code import DATA, METHOD, NET, RULE, refusal

MODEL_HEAD = "from typing import *\nfrom iterand_engine.extending import *\n"


def declared(folder: Path, text: str) -> tuple[Declaration, ...]:
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    found = described(path)
    assert found.error is None, found.error
    return found.declarations


def test_that_arguments_are_read_with_type_default_bounds_help_and_choices(tmp_path: Path) -> None:
    (found,) = declared(tmp_path, NET)
    assert (found.kind, found.name, found.label) == ("model", "tiny", "Tiny")
    assert found.arguments == (
        Argument("depth", "int", 1, "hidden layers", ge=1, le=4),
        Argument("slope", "float", 1.0),
        Argument("gate", "bool", False),
        Argument("shape", "choice", "flat", choices=("flat", "round")),
        Argument("note", "str", ""),
    )
    assert isinstance(found.arguments[1].default, float)


def test_that_each_kind_is_declared(tmp_path: Path) -> None:
    kinds = [declared(tmp_path, text)[0] for text in (RULE, DATA, METHOD)]
    assert [(one.kind, one.name) for one in kinds] == [
        ("rule", "mine"),
        ("dataset", "noise"),
        ("method", "mine"),
    ]
    assert [one.base for one in kinds] == ["", "", "iterand"]
    assert [argument.name for argument in kinds[1].arguments] == ["classes", "count"]


def test_that_help_stands_in_the_docstring_and_names_can_be_given(tmp_path: Path) -> None:
    text = '''
@redraw_rule(name="the.rule-2", label="The rule")
def some_rule(layer, rate: "float" = 0.5, *, keep: Annotated[int, Field(gt=0, lt=9)] = 2):
    """Rule.

    Args:
        rate: how many are redrawn.
        keep:  how few
    """
@model
class MyNetXL:
    def __init__(self, width_factor, spec): ...
@model
def _other_net(width_factor, spec): ...
'''
    rule, *models = declared(tmp_path, MODEL_HEAD + text)
    assert (rule.name, rule.label, rule.line) == ("the.rule-2", "The rule", 4)
    assert rule.arguments == (
        Argument("rate", "float", 0.5, "how many are redrawn"),
        Argument("keep", "int", 2, "how few", gt=0, lt=9),
    )
    assert [one.name for one in models] == ["my-net-xl", "other-net"]


def test_that_annotations_may_be_texts_and_name_what_only_checkers_know(tmp_path: Path) -> None:
    text = """from __future__ import annotations
from typing import TYPE_CHECKING
from iterand_engine.extending import dataset, redraw_rule
if TYPE_CHECKING:
    from somewhere import RedrawSite
    from pathlib import Path
@redraw_rule
def mine(layer: RedrawSite, rate: float = 0.1): ...
"""
    (found,) = declared(tmp_path, text)
    assert found.arguments == (Argument("rate", "float", 0.1),)


def test_that_a_dataset_says_whether_it_needs_a_path(tmp_path: Path) -> None:
    head = MODEL_HEAD + "from pathlib import Path\n"
    for signature, needs in [
        ("path: Path", True),
        ("path: Path | None", False),
        ("path: 'Optional[Path]'", False),
        ("path: Path = None", False),
    ]:
        (found,) = declared(tmp_path, f"{head}@dataset\ndef some({signature}): ...")
        assert found.needs_path is needs, signature


@pytest.mark.parametrize(
    ("parent", "base"),
    [("IteRand", "iterand"), ("EdgePopup", "edge-popup"), ("Dense", "dense"), ("Method", "")],
)
def test_that_a_method_has_the_options_of_its_parent(parent: str, base: str, tmp_path: Path) -> None:
    text = f"@method\nclass Mine({parent}):\n  trained = []\n  def __init__(self, module, options, plan): ..."
    (found,) = declared(tmp_path, MODEL_HEAD + text)
    assert found.base == base
    assert found.has_masks is {"iterand": True, "edge-popup": True, "dense": False, "": None}[base]


@pytest.mark.parametrize(("said", "masks"), [("True", True), ("False", False)])
def test_that_a_method_says_for_itself_whether_it_has_masks(said: str, masks: bool, tmp_path: Path) -> None:
    text = f"@method\nclass Mine(Method):\n  trained = []\n  has_masks = {said}\n"
    (found,) = declared(tmp_path, MODEL_HEAD + text + "  def __init__(self, module, options, plan): ...")
    assert found.has_masks is masks


MISTAKES: list[tuple[str, str]] = [
    ("def tiny(:", "line 3: invalid syntax."),
    ("x = 1 / 0", "line 3: ZeroDivisionError: division by zero."),
    (
        "import einops_of_mine",
        "line 3: ModuleNotFoundError: No module named 'einops_of_mine' (an extension is one",
    ),
    ("raise SystemExit('no')", "line 3: SystemExit: no."),
    (
        "def tiny(): ...",
        "mine.py declares nothing: put @model, @dataset, @method or @redraw_rule before the function "
        "or class that it adds.",
    ),
    (
        "@redraw_rule\ndef mine(layer, rate=0.1): ...",
        "line 3: the option 'rate' of mine has no type; write e.g. `rate: float = 0.1`.",
    ),
    ("@redraw_rule\ndef mine(layer, rate): ...", "has no type; write e.g. `rate: float = 0.1`."),
    (
        "@redraw_rule\ndef mine(layer, rate: float): ...",
        "the option 'rate' of mine has no default; write e.g. `rate: ... = 0.1`.",
    ),
    (
        "@redraw_rule\ndef mine(layer, how: Literal['a', 'b']): ...",
        "has no default; write e.g. `how: ... = 'a'`.",
    ),
    (
        "@redraw_rule\ndef mine(layer, rate: list = []): ...",
        "'rate' of mine has the type list; allowed: int, float, bool, str,",
    ),
    ("@redraw_rule\ndef mine(layer, rate: int | None = 1): ...", "has the type int | None; allowed: int"),
    (
        "@redraw_rule\ndef mine(layer, rate: Literal[1, 2] = 1): ...",
        "has the type Literal[1, 2]; allowed: int",
    ),
    (
        "@redraw_rule\ndef mine(layer, rate: 'Flaot' = 1): ...",
        "is 'Flaot', which is not known here (name 'Flaot' is not defined).",
    ),
    (
        "@redraw_rule\ndef mine(layer, rate: float = 'x'): ...",
        "the default of the option 'rate' of mine does not fit: rate is 'x'; allowed: a number.",
    ),
    (
        "@redraw_rule\ndef mine(layer, rate: int = True): ...",
        "does not fit: rate is true, a truth value; allowed: a whole number.",
    ),
    (
        "@redraw_rule\ndef mine(layer, rate: float = float('nan')): ...",
        "does not fit: rate is nan; allowed: a finite number.",
    ),
    (
        "@redraw_rule\ndef mine(layer, rate: Annotated[float, Field(ge=1)] = 0): ...",
        "does not fit: rate is 0; allowed: a number, 1 <= value.",
    ),
    (
        "@redraw_rule\ndef mine(layer, a: Annotated[int, Field(multiple_of=2)] = 2): ...",
        "is bounded by MultipleOf(multiple_of=2); allowed are ge, gt, le and lt",
    ),
    (
        "@redraw_rule\ndef mine(layer, a: Annotated[str, Field(ge=2)] = 'x'): ...",
        "allowed are ge, gt, le and lt, for numbers.",
    ),
    (
        "@redraw_rule\ndef mine(layer, *rates: float): ...",
        "mine takes *rates: float; options are named one by one",
    ),
    ("@redraw_rule\ndef mine(layer, **more): ...", "mine takes **more; options are named one by one"),
    ("@redraw_rule\ndef mine(layer, rate: float = 1, /): ...", "'rate' of mine must not stand before `/`"),
    ("@redraw_rule\ndef mine(layer, name: str = 'x'): ...", "'name' of mine has a name that is taken"),
    ("@redraw_rule\ndef mine(layer, copy: bool = True): ...", "'copy' of mine has a name that is taken"),
    ("@redraw_rule\ndef mine(site): ...", "mine must take (layer) before its options, and takes (site)."),
    (
        "@model\ndef tiny(spec, width_factor): ...",
        "tiny must take (width_factor, spec) before its options, and takes (spec, width_factor).",
    ),
    (
        "@model\ndef tiny(width_factor, spec, width_factor_2: float): ...",
        "'width_factor_2' of tiny has no default",
    ),
    ("@dataset\ndef some(path): ...", "the argument 'path' of some has no type; write `path: Path | None`"),
    (
        "@dataset\ndef some(path: 'str | None', val_fraction: float = 1): ...",
        "'val_fraction' of some has a name that is taken",
    ),
    (
        "@method\ndef some(module, options, plan): ...",
        "some must be a class derived from IteRand, EdgePopup, Dense or Method.",
    ),
    ("@method\nclass Some(Method): ...", "Some does not define trained."),
    (
        "@method\nclass Some(Dense):\n  has_masks = 'no'\n  def __init__(self, module, options, plan): ...",
        "line 3: has_masks of Some is 'no'; allowed: True or False.",
    ),
    (
        "@method\nclass Some(IteRand):\n  def __init__(s, module, options, plan, sparsity: float = 1): ...",
        "'sparsity' of Some has a name that is taken",
    ),
    (
        "@model(name='My net')\ndef tiny(width_factor, spec): ...",
        "the name 'My net' is not valid; allowed: small letters",
    ),
    ("model(3)", "line 3: a decorator stands before a function or class, not 3."),
    (
        "@model\ndef tiny(width_factor, spec): ...\n@model(name='tiny')\ndef other(width_factor, spec): ...",
        "line 5: the model 'tiny' is declared twice; give one of them another name",
    ),
]


@pytest.mark.parametrize(
    ("text", "said"), MISTAKES, ids=[text.partition("\n")[2] or text for text, _ in MISTAKES]
)
def test_that_a_mistake_is_reported_in_a_sentence_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    sentence = refusal(tmp_path, MODEL_HEAD + text)
    assert said in sentence
    assert sentence.startswith("extensions/mine.py")
    assert "\n" not in sentence


def test_that_a_mistake_in_a_library_is_reported_with_the_line_of_the_file(tmp_path: Path) -> None:
    said = refusal(tmp_path, "import json\n\ndef read():\n    return json.loads('{')\n\nread()\n")
    assert said.startswith("extensions/mine.py, line 4: JSONDecodeError: Expecting property name")


def test_that_decorators_change_nothing_in_a_plain_program() -> None:
    from iterand_engine.extending import model

    def wrong() -> int:
        return 3

    assert model(wrong) is wrong
    assert model(name="!")(wrong)() == 3
