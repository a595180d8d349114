"""The parts of the Run page that need no window: next steps, options, the log as read, layers as numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.config.catalog import METHODS
from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.yaml import parse_yaml
from iterand_engine.results.next_steps import StepKind
from iterand_engine.store import RunState, Series, Store
from iterand_engine.store.records import Environment
from iterand_gui.pages.run import log_reader
from iterand_gui.pages.run.layer_data import CHANCE, DISTANCE, REDRAWN, LayerBook, LayerSize, read_sizes
from iterand_gui.pages.run.log_reader import folded, read_news
from iterand_gui.pages.run.option_rows import option_rows, yaml_of
from iterand_gui.pages.run.panels import PANELS, known_keys, shown_panels
from iterand_gui.pages.run.run_facts import environment_rows, read_facts
from iterand_gui.session.next_steps import next_steps
from tests.gui.recorded_runs import BASE, SHAPES, make_run, write_log, write_masks
from tests.run_rows import run_row

# Next steps.


@pytest.mark.parametrize("state", list(RunState))
def test_that_every_state_has_a_next_step_with_words_of_its_own(state: RunState) -> None:
    steps = next_steps(run_row(state=state), BASE)
    assert steps
    assert len({step.kind for step in steps}) == len(steps)
    letters = [step.text[step.text.index("&") + 1].casefold() for step in steps]
    assert len(set(letters)) == len(letters), "mnemonics meet"
    assert all(step.help for step in steps)


def test_that_only_what_can_be_stopped_offers_it() -> None:
    stops = {
        state
        for state in RunState
        if StepKind.STOP in {step.kind for step in next_steps(run_row(state=state), BASE)}
    }
    assert stops == {RunState.QUEUED, RunState.STARTING, RunState.RUNNING, RunState.STALLED}


# Options.


@pytest.mark.parametrize("method", list(METHODS))
def test_that_a_configuration_of_defaults_has_nothing_changed(method: str) -> None:
    config = RunConfig.from_mapping({"method": {"name": method}}).to_mapping()
    changed = {row.path for row in option_rows(config) if row.is_changed}
    assert changed <= {"method.name"}
    assert all(row.default for row in option_rows(config))


def test_that_options_of_code_that_is_gone_are_shown_without_defaults() -> None:
    config = {**BASE, "method": {"name": "my-own-method", "strength": 0.5}}
    rows = {row.path: row for row in option_rows(config)}
    assert rows["method.strength"].value == "0.5"
    assert not any(row.is_changed for row in rows.values())


def test_that_the_text_of_a_configuration_reads_back_as_the_same() -> None:
    assert RunConfig.from_mapping(parse_yaml(yaml_of(BASE))) == RunConfig.from_mapping(BASE)


# Facts.


def test_that_environments_stand_beside_each_other_with_their_differences() -> None:
    first = {"program": "1", "packages": {"torch": "2.13"}}
    second = {"program": "1", "packages": {"torch": "2.14"}, "threads": 2}
    rows = environment_rows((Environment(0, 0.0, first), Environment(1, 60.0, second)))
    assert [row.name for row in rows] == ["started", "program", "torch", "threads"]
    torch = rows[2]
    assert (torch.values, torch.differs(0), torch.differs(1)) == (("2.13", "2.14"), False, True)
    assert rows[3].values == ("—", "2")


def test_that_files_are_listed_with_their_sizes(store: Store) -> None:
    run_id = make_run(store)
    assert read_facts(store.workspace, store, run_id).files == ()
    write_log(store.workspace, run_id, "12345\n")
    write_masks(store.workspace, run_id)
    facts = read_facts(store.workspace, store, run_id)
    assert [entry.text for entry in facts.files] == ["worker.log", "masks/ (1 file)"]
    assert facts.size_bytes == sum(entry.size_bytes for entry in facts.files) > 6


# Panels.


def test_that_panels_are_remembered_by_known_keys_in_their_order() -> None:
    assert known_keys(["lr", "accuracy", "gone", 3]) == ("accuracy", "lr")
    assert known_keys([]) == ("accuracy", "flips")
    assert [panel.key for panel in shown_panels(("accuracy", "flips"), masks=False)] == ["accuracy", "loss"]
    assert [panel.key for panel in shown_panels(("accuracy", "flips"), masks=True)] == ["accuracy", "flips"]
    assert len({panel.key for panel in PANELS}) == len(PANELS)


# The log.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def write(path: Path, text: str, mode: str = "a") -> None:
    with path.open(mode, encoding="utf-8", newline="") as file:
        file.write(text)


@given(st.lists(st.text(alphabet="ab \r\né", max_size=12), max_size=8))
def test_that_a_log_read_in_pieces_is_the_log_read_at_once(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    path = tmp_path_factory.mktemp("log") / "worker.log"
    lines: list[str] = []
    position, unfinished = 0, ""
    for piece in pieces:
        write(path, piece)
        news = read_news(path, "run", position)
        lines = list(news.lines) if news.is_anew else [*lines, *news.lines]
        position, unfinished = news.position, news.unfinished
    whole = "".join(pieces).split("\n")
    assert lines == [folded(line.encode()) for line in whole[:-1]]
    assert unfinished == folded(whole[-1].encode())


def test_that_a_log_that_is_not_there_yet_is_no_mistake(path: Path) -> None:
    news = read_news(path, "run", 0)
    assert (news.lines, news.unfinished, news.is_anew) == ((), "", False)


def test_that_a_log_that_was_replaced_is_read_anew(path: Path) -> None:
    write(path, "one\ntwo\nthree\n")
    position = read_news(path, "run", 0).position
    write(path, "new\n", "w")
    news = read_news(path, "run", position)
    assert (news.lines, news.is_anew) == (("new",), True)


def test_that_of_a_long_log_the_end_is_read_in_portions(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "MOST_BYTES", 1000)
    monkeypatch.setattr(log_reader, "_CHUNK_BYTES", 300)
    text = "".join(f"line {n:04}\n" for n in range(500))
    write(path, text)
    lines: list[str] = []
    position = looks = 0
    while True:
        news = read_news(path, "run", position)
        assert news.is_cut == (looks == 0)
        position, looks = news.position, looks + 1
        lines += news.lines
        if not news.has_more:
            break
    assert looks == 4
    assert lines == text.splitlines()[-99:]


# Layers.


def part(name: str, first: int, steps: list[int], values: list[list[float]]) -> Series:
    return Series(
        "run", name, "step", ("a.weight", "b"), np.array(steps), np.array(values, np.float32), first, rewind=0
    )


def test_that_layers_grow_and_are_cut() -> None:
    book = LayerBook()
    book.take(part(CHANCE, 0, [0], [[0.5, 0.25]]))
    book.take(part(DISTANCE, 0, [0, 10], [[0, 0], [0.1, 0.1]]))
    before = book.quantity("distance", {})[1]
    book.take(part(DISTANCE, 2, [20], [[0.2, 0.2]]))
    steps, values = book.quantity("distance", {})
    assert steps.tolist() == [0, 10, 20]
    np.testing.assert_allclose(values[-1], [0.4, 0.8])
    book.take(part(DISTANCE, 0, [0], [[0.05, 0.05]]))
    assert book.quantity("distance", {})[0].tolist() == [0]
    np.testing.assert_allclose(before[1], [0.2, 0.4])
    assert book.labels == ("a", "b")


def test_that_redraws_are_shares_of_known_weights() -> None:
    book = LayerBook()
    book.take(part(REDRAWN, 0, [9, 19], [[10, 4], [30, 4]]))
    sizes = {"a.weight": LayerSize(100, 50)}
    values = book.quantity("redrawn", sizes)[1]
    np.testing.assert_allclose(values[:, 0], [0.1, 0.3], rtol=1e-6)
    assert np.isnan(values[:, 1]).all()
    assert book.total(REDRAWN).tolist() == [40, 8]
    assert np.isnan(book.latest(DISTANCE)).all()


def test_that_sizes_of_layers_are_counted_in_the_newest_masks(store: Store) -> None:
    run_id = make_run(store)
    assert read_sizes(store.workspace, run_id) == {}
    write_masks(store.workspace, run_id, 0, share=0.5)
    write_masks(store.workspace, run_id, 1, share=0.25)
    sizes = read_sizes(store.workspace, run_id)
    assert sizes["conv1.weight"] == LayerSize(72, 18)
    assert {name: size.weights for name, size in sizes.items()} == {
        name: int(np.prod(shape)) for name, shape in SHAPES.items()
    }
