"""Count lines of code without blank lines, comments and docstrings, for each room and in all.

    python -m benchmarks.count_lines [PACKAGE ...]

A line counts where a token of code stands on it; a string of several lines that is no docstring counts with
all of them. A room is a package directly below one that is named (`iterand_engine/store` with all below it);
what lies directly in a package counts as its room `.`. Counts the product if none is named. Prints Markdown.
"""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("iterand_engine", "iterand_gui")
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def count_lines(source: str) -> int:
    """Lines of code of a module's source.

    Raises:
        SyntaxError: it is no Python.
    """
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - _docstring_lines(ast.parse(source)))


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[0] if node.body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def count_rooms(package: Path) -> Counter[str]:
    """Lines of code of the Python files below a package, by room."""
    rooms: Counter[str] = Counter()
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).parts
        rooms[parts[0] if len(parts) > 1 else "."] += count_lines(path.read_text(encoding="utf-8"))
    return rooms


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"default: {', '.join(PRODUCT)}")
    named: list[str] = parser.parse_args().packages or list(PRODUCT)
    print("| package | room | lines of code |\n|---|---|---:|")
    totals = []
    for name in named:
        package = ROOT / name
        if not package.is_dir():
            parser.error(f"there is no package {name!r} in {ROOT}")
        rooms = count_rooms(package)
        for room, count in sorted(rooms.items()):
            print(f"| {name} | {room} | {count:,} |")
        totals.append(sum(rooms.values()))
        print(f"| {name} | all | {totals[-1]:,} |")
    print(f"| all | all | {sum(totals):,} |")


if __name__ == "__main__":
    main()
