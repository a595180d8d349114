"""What docs/architecture.md names exists: files, functions, rooms."""

from __future__ import annotations

import ast
import re

from tests.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = ("iterand_engine", "iterand_gui")


def defined_in(path: str) -> set[str]:
    """Functions, classes and `Class.method` of a file, and names that are assigned at its top."""
    found: set[str] = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
            found |= {f"{node.name}.{name}" for name in inner}
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def whole_path(name: str) -> str:
    """The path of a file that the page names below a package, or from the project's root."""
    candidates = [name, *(f"{package}/{name}" for package in PACKAGES)]
    return next((path for path in candidates if (ROOT / path).exists()), "")


def test_that_every_file_and_folder_that_the_page_names_exists() -> None:
    named = re.findall(r"`((?:\w+/)+(?:\w+\.(?:py|yaml))?)(?:: [\w.]+)?`", PAGE)
    to_come = {"studies/", "export/", "slots/engines/", "extensions/"}
    assert len(named) > 80
    assert not [name for name in named if name not in to_come and not whole_path(name)]


def test_that_every_function_that_the_page_names_exists() -> None:
    named = re.findall(r"`((?:\w+/)+\w+\.py): ([\w.]+)`", PAGE)
    assert len(named) > 80
    assert not [(path, name) for path, name in named if name not in defined_in(whole_path(path))]


def test_that_the_walks_are_as_long_as_the_table_says() -> None:
    said = [(int(c), int(f)) for c, f in re.findall(r"^\| .+ \| \d+, \d+ \| (\d+), (\d+) \|$", PAGE, re.M)]
    walks = [re.findall(r"^\d+\. `([^:]+): ", part, re.M) for part in PAGE.split("\n### ")[1:]]
    assert said == [(len(walk), len(set(walk))) for walk in walks]
    assert len(walks) == 4


def test_that_every_room_is_on_the_page() -> None:
    for package in PACKAGES:
        for entry in (ROOT / package).iterdir():
            if entry.name.startswith("__") or entry.name == "py.typed":
                continue
            assert re.search(rf"\b{entry.stem}\b", PAGE), f"{package}/{entry.name} is not on the page"
