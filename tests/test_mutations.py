"""Mutants are small mistakes, each in its place, and what no test can see is left alone."""

from __future__ import annotations

import ast

import pytest

from benchmarks.mutations import all_mutants, mutants_of

HEAD = '"""What it is for."""\n\n'


def changed(code: str) -> set[str]:
    """What becomes of a piece of code; each mutant is a file that Python can read."""
    mutants = mutants_of("file.py", HEAD + code + "\n")
    for mutant in mutants:
        ast.parse(mutant.text)
        assert mutant.text.startswith(HEAD)
    return {mutant.text.removeprefix(HEAD).strip() for mutant in mutants}


@pytest.mark.parametrize(
    ("code", "become"),
    [
        ("f(a < b)", {"f((a <= b))", "f((a >= b))", "pass"}),
        ("f(a is b)", {"f((a is not b))", "pass"}),
        ("x = a + b", {"x = (a - b)"}),
        ("x = a and b", {"x = (a or b)"}),
        ("x = not a", {"x = (a)"}),
        ("x = True", {"x = (False)"}),
        ("x: int = 3", {"x: int = (4)", "x: int = (2)"}),
        ("x = a[b:c]", {"x = (a[b + 1:c])", "x = (a[b:c + 1])"}),
        ("x = range(n)", {"x = (range(n + 1))", "x = (range(n - 1))"}),
        ("def f(): return a", {"def f(): return None"}),
        ("a.x = b", {"pass"}),
        ("ä = 'ö'; f(a)", {"ä = 'ö'; pass"}),
    ],
)
def test_that_a_mistake_changes_one_place(code: str, become: set[str]) -> None:
    assert changed(code) == become


@pytest.mark.parametrize(
    "code",
    [
        "x = a",
        "import a",
        "x = f'{a + 1}'",
        "if TYPE_CHECKING:\n    x = a + b",
        "x = 'a' + b",
        "def f(): return None",
    ],
)
def test_that_what_no_test_can_see_is_left_alone(code: str) -> None:
    assert changed(code) == set()


def test_that_the_lines_of_a_mutant_are_those_of_its_own_statement() -> None:
    code = "if a < b:\n    x = f(\n        1,\n    )\n"
    lines = {
        mutant.said.partition("`")[2].partition("`")[0]: mutant.lines for mutant in mutants_of("f.py", code)
    }
    assert lines == {"a < b": range(1, 2), "1": range(2, 5)}


def test_that_every_mutant_of_the_engine_is_python_and_another_program() -> None:
    mutants = all_mutants(["pruning", "store"])
    assert len(mutants) > 1000
    assert len({(mutant.path, mutant.text) for mutant in mutants}) == len(mutants)
    for mutant in mutants[::40]:
        compile(mutant.text, mutant.path, "exec")
