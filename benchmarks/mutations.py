"""Small mistakes in Python code, one at a time: the mutants that `benchmarks.mutants` tries.

Comparisons are turned or moved by one, + and - change places, so do `and` and `or`; numbers are one more or
less, True is False; a function returns None, a statement is left out, a range or slice is off by one.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
_Node = TypeVar("_Node", bound=ast.AST)

_TURNED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_STATEMENTS = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Assert)


@dataclass(frozen=True)
class Mutant:
    """A file with one mistake.

    Args:
        path: of the file, from the project's folder.
        lines: of the statement that is changed; of one that holds others only its head.
        text: of the whole file.
        said: its place, and the old and the new text, on one line.
    """

    path: str
    lines: range
    text: str
    said: str


def all_mutants(rooms: Iterable[str]) -> list[Mutant]:
    """Every mutant of some rooms of the engine, in the order of their files."""
    found: list[Mutant] = []
    for room in rooms:
        for path in sorted((ROOT / "iterand_engine" / room).rglob("*.py")):
            if "migrations" not in path.parts:
                found += mutants_of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    return found


def mutants_of(path: str, text: str) -> list[Mutant]:
    """All mutants of a file, in the order of their places."""
    return list(_Maker(path, text).found(ast.parse(text)))


class _Maker:
    """Makes the mutants of one file."""

    def __init__(self, path: str, text: str) -> None:
        self._path, self._bytes = path, text.encode()
        starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self._starts = starts

    def found(self, tree: ast.Module) -> Iterator[Mutant]:
        for statement in _statements(tree):
            for node in _own(statement):
                for changed in _changes(node):
                    yield self._mutant(statement, node, changed)

    def _mutant(self, statement: ast.stmt, node: ast.stmt | ast.expr, changed: ast.AST) -> Mutant:
        first, last = self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)
        becomes = ast.unparse(changed)
        written = becomes if isinstance(node, ast.stmt) else f"({becomes})"
        text = b"".join((self._bytes[:first], written.encode(), self._bytes[last:])).decode()
        said = f"{self._path}:{node.lineno} `{_line(ast.unparse(node))}` becomes `{_line(becomes)}`"
        return Mutant(self._path, _lines(statement), text, said)

    def _at(self, line: int | None, column: int | None) -> int:
        assert line is not None
        assert column is not None
        return self._starts[line - 1] + column


def _line(code: str) -> str:
    first, *more = code.splitlines()
    return f"{first} ..." if more else first


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a file at any depth; not those that only a type checker reads."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.stmt) and not isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        yield from _statements(child)


def _lines(statement: ast.stmt) -> range:
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if not body:
        return range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    first = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
    return range(statement.lineno, max(first.lineno, statement.lineno + 1))


def _own(statement: ast.stmt) -> Iterator[ast.stmt | ast.expr]:
    """A statement and the expressions that are its own: no other statement's, no type, no text."""
    yield statement
    if isinstance(statement, ast.ClassDef):
        return
    parts: list[ast.AST] = [
        child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt)
    ]
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        parts = [*statement.args.defaults, *filter(None, statement.args.kw_defaults)]
    elif isinstance(statement, ast.AnnAssign):
        parts = [statement.value] if statement.value else []
    for part in parts:
        yield from _expressions(part)


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.stmt | ast.JoinedStr):  # places within f-strings are not known before Python 3.12
        return
    if isinstance(node, ast.expr) and not isinstance(node, ast.Slice):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _expressions(child)


def _changes(node: ast.stmt | ast.expr) -> Iterator[ast.AST]:
    """The changed forms of a node."""
    match node:
        case ast.Compare(ops=[op]):
            yield from (_with(node, ops=[turned()]) for turned in _TURNED[type(op)])
        case ast.BinOp(op=ast.Add() | ast.Sub() as op) if not _is_text(node):
            yield _with(node, op=ast.Sub() if isinstance(op, ast.Add) else ast.Add())
        case ast.BoolOp(op=op):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Call(func=ast.Name("range"), args=[*others, stop]) if not isinstance(stop, ast.Constant):
            yield from (_with(node, args=[*others, _moved(stop, by)]) for by in (ast.Add(), ast.Sub()))
        case ast.Subscript(slice=ast.Slice() as part, ctx=ast.Load()):
            ends = {"lower": part.lower, "upper": part.upper}
            moved = {name: _moved(end, ast.Add()) for name, end in ends.items() if end is not None}
            yield from (_with(node, slice=_with(part, **{name: end})) for name, end in moved.items())
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.stmt() if isinstance(node, _STATEMENTS) and _may_go(node):
            yield ast.Pass()


def _with(node: _Node, **fields: object) -> _Node:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _moved(value: ast.expr, by: ast.operator) -> ast.expr:
    return ast.BinOp(value, by, ast.Constant(1))


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str))
        for s in sides
    )


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _may_go(statement: ast.stmt) -> bool:
    """Whether leaving a statement out can do more than remove a name; docstrings are kept."""
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Assign):
        return not any(isinstance(target, ast.Name | ast.Tuple) for target in statement.targets)
    return True
