"""YAML of other people is read within limits, as data alone, and as a person sees it."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest

from iterand_engine.errors import UserError
from iterand_engine.machine.yaml import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    YamlError,
    parse_yaml,
    read_yaml,
    yaml_text,
)

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
TOO_MUCH = {
    "billion laughs": (LAUGHS, f"line 5, column 12: there are more than {MAX_VALUES:,} values"),
    "laughs of merge keys": (
        "a: &a {k: [1, 2]}\n"
        + "".join(
            f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 40)}]}}\n"
            for before, name in zip("abcd", "bcde", strict=True)
        ),
        f"there are more than {MAX_VALUES:,} values",
    ),
    "ten megabytes": ("a: " + "x" * 10_000_000, f"it is longer than {MAX_BYTES:,} bytes"),
    "a megabyte of values": ("[" + "1," * 499_000 + "]", f"there are more than {MAX_VALUES:,} values"),
    "a megabyte of brackets": ("[" * 999_000, "exceeded maximum nesting depth"),
    "maps within maps": ("{a: " * 900, f"values are nested more than {MAX_DEPTH} deep"),
    "lists within lists": ("- " * 400_000, f"values are nested more than {MAX_DEPTH} deep"),
    "a list of itself": ("&a [*a]", "line 1, column 5: the alias *a stands inside of what it names"),
    "a map of itself": ("&a {b: *a}", "the alias *a stands inside of what it names"),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_that_too_much_is_refused_within_a_second(what: str) -> None:
    text, said = TOO_MUCH[what]
    before = time.process_time()
    with pytest.raises(YamlError) as refused:
        parse_yaml(text)
    assert time.process_time() - before < 1
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_that_what_is_within_the_limits_is_read() -> None:
    assert len(parse_yaml("[" + "1," * (MAX_VALUES - 2) + "]")) == MAX_VALUES - 2
    assert parse_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert len(parse_yaml("x" * MAX_BYTES)) == MAX_BYTES
    shared = "base: &base {lr: 0.1}\nother: {<<: *base, epochs: 2}\nsame: *base"
    expected = {"base": {"lr": 0.1}, "other": {"lr": 0.1, "epochs": 2}, "same": {"lr": 0.1}}
    assert parse_yaml(shared) == expected


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("!!timestamp x", "!!timestamp"),
        ("!!bool maybe", "!!bool"),
        ("!!int ''", "!!int"),
        ("!!float x", "!!float"),
        ("!!binary aGk=", "!!binary"),
        ("!!set {a}", "!!set"),
        ("!!omap [a: 1]", "!!omap"),
        ("!!python/object/apply:os.system ['true']", "!!python/object/apply:os.system"),
        ("{a: !<tag:yaml.org,2002:python/name:os.system> b}", "!!python/name:os.system"),
        ("! x", "!"),
    ],
)
def test_that_tags_are_refused(text: str, tag: str) -> None:
    with pytest.raises(YamlError, match="is not allowed; write the value alone") as refused:
        parse_yaml(text)
    assert f"the tag {tag} is" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1e999999", "the number 1e999999 is too large to be held"),
        ("-1.0e999", "the number -1.0e999 is too large to be held"),
        ("1e-999", "the number 1e-999 is too small to be held"),
        ("9" * 5000, "a number has 5,000 characters; allowed: 400"),
        ("a\0b", "unacceptable character #x0000"),
        ("\udcff", "it holds half of a character"),
        ("'x", "line 1, column 3: found unexpected end of stream"),
        ("a: [1\n\n\n", "line 1: did not find expected ',' or ']'"),
        ("a\n---\nb", "line 2, column 1: but found another document"),
    ],
)
def test_that_what_cannot_be_read_is_refused(text: str, said: str) -> None:
    with pytest.raises(YamlError) as refused:
        parse_yaml(text)
    assert str(refused.value).startswith(said) or said in str(refused.value)
    assert "\n" not in str(refused.value)


SEEN = [
    *((text, int(text)) for text in ("0", "1", "-7", "+1", "300")),
    *((text, float(text)) for text in ("0.1", ".5", "5.", "-0.25", "1e-3", "2.5E+3", "1.000", "0.0", "0e-5")),
    *[("1e3", 1000), ("-2E2", -200), ("1e18", 10**18), ("true", True), ("False", False)],
    *[("null", None), ("~", None), ("", None), (" 1 ", 1), ("\ufeffa", "a")],
]
TEXTS = [
    *["010", "0o10", "0x10", "0b1", "1_000", "1:30", "1:30.5", ".5.", "00.1", "1,000", "50%", "1e", "0,1"],
    *["yes", "No", "ON", "off", "y", "n", "=", "<<", "nan", "inf", "Infinity", "1.2.3", "--1", "+-1"],
    *["2020-13-99", "2020-01-01", "2020-01-01T10:00:00Z", "1e3.5", "1e_3", "\u0663", "\uff11"],
]


@pytest.mark.parametrize(("text", "value"), SEEN)
def test_that_a_value_is_what_a_person_sees(text: str, value: object) -> None:
    read = parse_yaml(text)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("text", TEXTS)
def test_that_everything_else_is_a_text(text: str) -> None:
    assert parse_yaml(text) == text


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize(
    "value",
    [*TEXTS, *(text for text, _ in SEEN), "a: b", "x\u2028y", "é", 1e16, 1e-7, 5e-324, math.inf, 10**18],
)
def test_that_what_is_written_is_read_as_it_was(value: object, *, flow: bool) -> None:
    shared = [value]
    whole = {"a": shared, "b": shared, "c": value}
    assert parse_yaml(yaml_text(whole, flow=flow)) == whole
    assert "&" not in yaml_text(whole, flow=flow)


def test_that_a_file_that_is_no_yaml_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    for content, said in (
        ("Größe: 1".encode("latin-1"), "byte 3 is not UTF-8; save it as UTF-8"),
        ("a: 1".encode("utf-16"), "byte 1 is not UTF-8"),
        (b"a: \0", "unacceptable character #x0000"),
        (b"\xff" * (MAX_BYTES + 1), f"it is longer than {MAX_BYTES:,} bytes"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError) as refused:
            read_yaml(path, "The list", "repair it")
        assert str(refused.value).startswith(f"The list {str(path)!r} is not valid YAML: {said}")
        assert str(refused.value).endswith("; repair it.")
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml(path, "The list") == {"a": 1, "b": 2}


def test_that_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder: name a YAML file"):
        read_yaml(tmp_path, "The list")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="is not a regular file"):
        read_yaml(tmp_path / "pipe", "The list")
    with pytest.raises(UserError, match=r"Cannot read the list '.*': File name too long"):
        read_yaml(tmp_path / ("x" * 5000), "The list")
    with pytest.raises(FileNotFoundError):
        read_yaml(tmp_path / "none", "The list")
