"""Names, tags, notes and logs of an older or a hostile workspace never speak to the terminal, in no command.

A terminal that cannot show a name gets it in escapes; and a name stays the text that it is.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from iterand_engine.cli import main
from iterand_engine.cli.top_board import render
from iterand_engine.config.run_config import load_yaml
from iterand_engine.errors import UserError
from iterand_engine.machine.plain_text import unfit_in, visible
from iterand_engine.machine.run_log import log_path
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import NewRun, RunState
from iterand_engine.store.labels import set_notes, set_tags
from iterand_engine.store.runs import create_run
from iterand_engine.store.sweeps import add_sweep
from tests.cli.test_cli_mistakes import refused
from tests.cli.test_cli_top import RUN, SLOT, board
from tests.command_line import TINY, config_file, did, iterand, on_a_terminal, only_run, opened, until
from tests.paths import ROOT
from tests.patience import PATIENCE_S

# A colour, a title, the same by one character of C1, writing from right to left, and lines of its own.
EVIL = "[red]\x1b[31m\x1b]0;owned\x07\x9b2J\u202edesrever\x7f\r[/]"
SHOWN = r"[red]\x1b[31m\x1b]0;owned\x07\x9b2J\u202edesrever\x7f\r[/]"
FORGED = f"{EVIL}\nrun 2"
NAME = "日本語-é-😀"
ESCAPED = r"\u65e5\u672c\u8a9e-\xe9-\U0001f600"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def hostile(workspace_dir: Path) -> tuple[Path, str]:
    """A workspace that somebody else filled, and the id of its run."""
    with opened(workspace_dir) as (workspace, store):
        config = {**TINY, "name": FORGED}
        run_id = create_run(store, NewRun(FORGED, config, "key", 1, "cpu", "fp32", "0.1.0"))
        add_sweep(store, FORGED, {}, {}, [run_id])
        set_notes(store, run_id, "notes")
        set_tags(store, run_id, ["tag"])
        log = log_path(workspace, run_id)
        log.parent.mkdir(parents=True)
        log.write_bytes(f"{EVIL}\nsecond line\r\n".encode())
    with contextlib.closing(sqlite3.connect(workspace_dir / "iterand.db")) as database, database:
        database.execute("UPDATE run SET notes = ?, reason = ?", (EVIL, EVIL))
        database.execute("UPDATE tag SET name = ?", (FORGED,))
    return workspace_dir, run_id


@pytest.mark.parametrize("command", ["runs", "show", "log", "queue", "top", "stop", "delete", "export"])
def test_that_no_command_lets_a_name_speak_to_the_terminal(hostile: tuple[Path, str], command: str) -> None:
    folder, run_id = hostile
    words: dict[str, list[str | Path]] = {
        "show": [run_id],
        "log": [run_id],
        "top": ["--once"],
        "stop": [run_id],
        "delete": [run_id],
        "export": [run_id, "--format", "masks", "--out", folder / EVIL],
    }
    done = iterand(command, *words.get(command, []), "--workspace", folder)
    assert unfit_in(done.out + done.err, lines=True) is None, done.out + done.err
    if command in ("runs", "show", "log", "queue"):
        assert r"[red]\x1b[31m" in done.out, done.out
    if command in ("runs", "queue"):
        assert "\nrun 2" not in done.out  # which would be a row of a table
    if command == "log":
        assert done.out == f"{SHOWN}\nsecond line\n"


def test_that_the_json_of_a_hostile_name_is_plain_and_means_the_name(hostile: tuple[Path, str]) -> None:
    folder, run_id = hostile
    for words in (["runs"], ["queue"], ["show", run_id]):
        done = did(folder, *words, "--json")
        assert unfit_in(done.out, lines=True) is None
        document = json.loads(done.out)
        assert FORGED in (document.get("name"), *(run["name"] for run in document.get("runs", [])))


def test_that_only_our_own_colours_reach_a_terminal(hostile: tuple[Path, str]) -> None:
    with on_a_terminal("runs", "--workspace", hostile[0]) as (process, seen):
        until(lambda: process.poll() is not None)
        shown = seen().replace("\r\n", "\n")
    assert r"\r[" in shown
    assert unfit_in(COLOUR.sub("", shown), lines=True) is None
    assert "\x1b[31m" not in shown


def test_that_the_live_board_shows_hostile_texts_in_their_lines() -> None:
    run = replace(RUN, name=FORGED)
    slots = (replace(SLOT), replace(SLOT, run_id=None, message=EVIL), replace(SLOT, closed_reason=FORGED))
    queued = (replace(run, id="0" * 8, state=RunState.QUEUED),)
    shown = replace(
        board(slots=slots, live=(run,)), folder=Path(f"/data/{FORGED}"), queued=queued, waits=FORGED
    )
    out = io.StringIO()
    Console(file=out, width=200, highlight=False, force_terminal=True).print(render(shown))
    plain = COLOUR.sub("", out.getvalue())
    assert unfit_in(plain, lines=True) is None
    assert plain.count(SHOWN) == 6
    assert not any(line.startswith("run 2") for line in plain.splitlines())


@pytest.mark.usefixtures("workspace")
def test_that_a_defect_and_a_wrong_word_are_shown_in_plain_text(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in ([f"--{EVIL}"], ["train", f"--{EVIL}"], [EVIL], ["show", EVIL], ["runs", f"name={EVIL}"]):
        at = ["--workspace", str(workspace_dir)] if words[0] in ("show", "runs") else []
        done = iterand(*words, *at)
        assert unfit_in(done.out + done.err, lines=True) is None, done.err
        assert done.code == (0 if words[0] == "runs" else 2)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(EVIL)

    monkeypatch.setattr("iterand_engine.cli.runs.opened", fail)
    done = iterand("runs")
    assert done.code == 1
    assert done.err.startswith("Traceback")
    assert done.err.endswith(f"RuntimeError: {SHOWN}\n")


NEVER = {
    "escape": "\x1b",
    "bell": "\x07",
    "null": "\0",
    "line": "\n",
    "carriage": "\r",
    "tab": "\t",
    "delete": "\x7f",
    "c1": "\x9b",
    "override": "\u202e",
    "isolate": "\u2066",
    "separator": "\u2028",
    "surrogate": "\udcff",
}


@pytest.mark.parametrize("character", NEVER.values(), ids=NEVER)
def test_that_names_tags_and_notes_are_plain_text(no_slots: Path, character: str) -> None:
    code = f"U+{ord(character):04X}"
    name = f"a{character}b"
    said = refused(iterand("queue", "--preset", "quickstart", "--name", name, "--workspace", no_slots))
    assert code in said
    assert said.startswith("name is 'a\\")
    given = f"name={json.dumps(name)}"  # YAML's own escapes
    if character != "\udcff":
        assert code in refused(
            iterand("train", "--preset", "quickstart", "--set", given, "--workspace", no_slots)
        )
    with opened(no_slots) as (_, store):
        run_id = create_run(store, NewRun("run", TINY, "key", 1, "cpu", "fp32", "0.1.0"))
        with pytest.raises(UserError, match=re.escape(code) + "|one word"):
            set_tags(store, run_id, [name])
        if character in "\n\t":
            set_notes(store, run_id, name)
            assert store.reader.run(run_id).notes == name
        else:
            with pytest.raises(UserError, match=re.escape(code)):
                set_notes(store, run_id, name)


def test_that_a_class_has_a_plain_name(tmp_path: Path, no_slots: Path) -> None:
    for part in ("train", "test"):
        folder = tmp_path / "images" / part / "ca\x1bt"
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(b"")
    file = config_file(tmp_path, data={"dataset": "image-folder", "path": str(tmp_path / "images")})
    done = iterand("queue", file, "--workspace", no_slots)
    assert done.code == 2
    assert "its class 'ca\\x1bt' has the character U+001B; rename the class" in done.err


def on_ascii(*words: str | Path) -> str:
    """What a command that succeeds prints on a terminal of ASCII."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    err = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")  # as Python's own
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    for stream in (out, err):
        stream.seek(0)
    printed = out.read() + err.read()
    assert end.value.code == 0, printed
    return printed


def test_that_a_terminal_of_ascii_gets_names_in_escapes(no_slots: Path, tmp_path: Path) -> None:
    folder = no_slots
    assert on_ascii("train", config_file(tmp_path, name=NAME), "--workspace", folder).startswith("run ")
    run = only_run(folder)
    assert run is not None
    assert run.name == NAME
    for words in (["runs"], ["show", NAME], ["log", NAME], ["top", "--once"], ["unlock", NAME]):
        printed = on_ascii(*words, "--workspace", folder)
        if words[0] in ("runs", "show"):
            assert ESCAPED in printed
    for words in (["runs"], ["show", NAME]):
        document = json.loads(on_ascii(*words, "--json", "--workspace", folder))
        assert (document.get("runs") or [document])[0]["name"] == NAME
    out = tmp_path / f"{NAME}.npz"
    assert ESCAPED in on_ascii("export", NAME, "--format", "masks", "--out", out, "--workspace", folder)
    queued = on_ascii("queue", "--preset", "quickstart", "--name", NAME, "--workspace", folder)
    assert ESCAPED in queued
    assert on_ascii("delete", run.id, "--workspace", folder)
    assert ESCAPED in on_ascii("undelete", "--workspace", folder)


def test_that_a_workspace_with_invalid_bytes_in_its_name_can_be_used_in_ascii(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/work\xff\xe9\x1b"))
    open_workspace_dir(folder)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    done = subprocess.run(
        [sys.executable, "-m", "iterand_engine.cli", "top", "--once", "--workspace", folder],
        env=environment,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rb"work\udcff\udce9\x1b" in done.stdout


@pytest.mark.parametrize(
    "name", ["2026-01-01", "2026-13-99", "1e3", "0x10", "12", "1.50", "yes", "null", "~"]
)
def test_that_a_name_that_looks_like_something_else_stays_the_text_it_is(
    no_slots: Path, tmp_path: Path, name: str
) -> None:
    file, tiny = tmp_path / "run.yaml", config_file(tmp_path)
    plain = tiny.read_text()
    file.write_text(f"{plain}name: {json.dumps(name)}\n")
    ways: list[Callable[[], list[str | Path]]] = [
        lambda: ["queue", file],
        lambda: ["queue", tiny, "--name", name],
        lambda: ["queue", tiny, "--set", f"name={json.dumps(name)}"],
    ]
    if name not in ("null", "~"):  # which mean that there is no name
        bare = tmp_path / "bare.yaml"
        bare.write_text(f"{plain}name: {name}\n")
        ways += [
            lambda: ["queue", bare],
            lambda: ["queue", tiny, "--set", f"name={name}"],
        ]
    for way in ways:
        did(no_slots, *way())
    with opened(no_slots) as (workspace, store):
        rows = store.reader.runs()
        assert [row.name for row in rows] == [name] * len(ways)
        for row in rows:
            assert load_yaml(workspace.run_dir(row.id) / "config.yaml").name == name
            assert did(no_slots, "show", row.id).out.count(name) >= 2


def test_that_a_path_whose_name_is_no_text_is_refused(
    no_slots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["queue", "--preset", "quickstart", "--workspace", str(no_slots)]
    words += ["--set", "data.dataset=npz", "--set"]
    assert "data.path=a\\udcff.npz" in refused(iterand(*words, "data.path=a\udcff.npz"))
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    monkeypatch.chdir(folder)
    said = refused(iterand(*words, "data.path=mine.npz"))
    assert said.startswith("data.path is '/")
    assert said.endswith("allowed: text, which has no character U+DCFF.")


def test_that_visible_text_is_visible_once() -> None:
    assert visible(EVIL) == visible(SHOWN) == SHOWN
    assert visible("a\n\tb") == "a\n\tb"
    assert visible("a\n\tb", lines=False) == r"a\n\tb"
    assert visible(NAME) == NAME
