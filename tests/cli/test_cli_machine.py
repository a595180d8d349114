"""Commands about the machine and the data: `doctor`, `data`, `demo`, `--help`; and the progress display."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import signal
import sys
from importlib import metadata
from pathlib import Path

import pytest
from rich.console import Console
from typer.core import TyperGroup

from iterand_engine.cli import common, data, demo, doctor
from iterand_engine.cli.app import COMMANDS
from iterand_engine.cli.demo import METHOD_NAMES, WIDTHS, demo_configs
from iterand_engine.cli.progress import LiveDisplay, PatientConsole, PlainDisplay
from iterand_engine.cli.run_json import QueueList, Results, RunDocument, RunEntry, RunList
from iterand_engine.config.catalog import DATASETS
from iterand_engine.config.dataset_files import Download
from iterand_engine.config.run_config import RunConfig
from iterand_engine.data import fetch
from iterand_engine.machine import devices
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace
from iterand_engine.store import RunState
from iterand_engine.training.hooks import TrainingProgress
from iterand_engine.version import __version__
from iterand_gui.live.lines import Progress, read_progress
from tests.command_line import config_file, iterand, opened
from tests.paths import ROOT

PROGRESS = TrainingProgress(
    step=120,
    total_steps=460,
    epoch=2,
    epochs=20,
    loss=0.25,
    accuracy=0.875,
    val_accuracy=0.5,
    images_per_s=1234.4,
    seconds_left=95.0,
)


def test_that_version_and_help_are_reported() -> None:
    assert iterand("--version").out.startswith(f"iterand {__version__} ")
    help_text = iterand("--help").out
    assert all(name in help_text for name in ("train", "resume", "doctor", "reproduce"))


def commands() -> list[str]:
    """Every command, those of a group with the group's name before them."""
    names = [command.name for command in COMMANDS if not command.is_group]
    for group in (command for command in COMMANDS if command.is_group):
        loaded = group.load()
        assert isinstance(loaded, TyperGroup)
        names += [f"{group.name} {name}" for name in loaded.commands]
    return names


def test_that_every_command_takes_a_workspace(workspace_dir: Path) -> None:
    assert len(commands()) >= 24
    for name in [*commands(), "settings"]:
        assert "--workspace" in iterand(*name.split(), "--help").out, name


def test_that_the_page_on_the_command_line_names_every_command_and_every_field_of_the_json() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert [name for name in commands() if f"`iterand {name}" not in page] == []
    documents = (RunEntry, RunDocument, Results, RunList, QueueList)
    fields = {field for document in documents for field in document.model_fields}
    assert [field for field in fields if f'"{field}"' not in page] == []


def test_that_doctor_finds_that_training_works_here(workspace_dir: Path) -> None:
    with opened(workspace_dir):
        pass
    done = iterand("doctor", "--workspace", workspace_dir)
    assert done.code == 0, done.out
    assert done.out.splitlines()[-1] == "Training works here."
    for subject in ("Python", "torch", "CPU", "GPU", "Qt", "workspace", "store", "disk", "datasets"):
        assert f"  {subject}: " in done.out
    assert "not damaged" in done.out
    assert "here: digits" in done.out


def test_that_doctor_says_what_does_not_work_and_what_to_do(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_TRY_TORCH", "raise ImportError('libtorch_cpu.so is not there')")
    (workspace_dir / "iterand.db").write_bytes(b"SQLite format 3\0" + b"rubbish" * 1000)
    (workspace_dir / "settings.yaml").write_text("data_roots: [/no/such/root]")
    done = iterand("doctor", "--workspace", workspace_dir)
    assert done.code == 1
    lines = done.out.splitlines()
    assert "BROKEN  torch: ImportError: libtorch_cpu.so is not there" in lines
    assert (
        lines[lines.index("BROKEN  torch: ImportError: libtorch_cpu.so is not there") + 1]
        .strip()
        .startswith("->")
    )
    assert any(line.startswith("BROKEN  store: ") for line in lines)
    assert "BROKEN  data root: /no/such/root is not there" in lines
    assert lines[-1] == "Training does not work here yet."


def test_that_doctor_names_what_came_with_a_workspace_and_does_not_run(workspace: Workspace) -> None:
    assert list(doctor._not_allowed(workspace, Settings())) == []
    (workspace.extensions_dir / "net.py").write_text("import os; os._exit(1)\n")
    command, extensions = doctor._not_allowed(workspace, Settings(on_end="true"))
    assert "nobody allowed this command" in command.says
    assert "`iterand allow on_end`" in command.advice
    assert extensions.says == "not in use: net.py (disabled)"
    assert "`iterand extensions enable FILE`" in extensions.advice


@pytest.mark.parametrize("there", ["PySide6", "PySide6_Essentials"])
def test_that_doctor_finds_qt_by_whatever_it_was_installed(
    monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    def version(name: str) -> str:
        if name != there:
            raise metadata.PackageNotFoundError(name)
        return "6.10.0"

    monkeypatch.setattr(metadata, "version", version)
    assert doctor._qt() == doctor.Finding("Qt", True, "PySide6 6.10.0")
    there = "nothing"
    assert doctor._qt().works, "the window runs here, whatever the records say"
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert doctor._qt().works is None


def test_that_doctor_lists_gpus_by_the_id_that_a_configuration_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = devices.Device("GPU-1234", "cuda", "NVIDIA H100", 80 << 30, 16 << 30, True)
    monkeypatch.setattr(doctor, "list_devices", lambda: (gpu, devices.cpu_device()))
    says = [finding.says for finding in doctor._devices() if finding.subject == "GPU"]
    assert says == ["NVIDIA H100, 64.0 of 80.0 GiB free, compute.device: GPU-1234"]


def test_that_data_list_says_of_every_dataset_where_it_is_or_would_be(workspace_dir: Path) -> None:
    lines = iterand("data", "list", "--workspace", workspace_dir).out.splitlines()[1:]
    listed = {line.split()[0]: line for line in lines}
    assert list(listed) == list(DATASETS)
    assert "  yes " in listed["digits"]
    assert "  no " in listed["cifar10"]
    assert "170.5 MB" in listed["cifar10"]
    assert f"{workspace_dir / 'data' / 'cifar10'} (iterand data fetch cifar10)" in listed["cifar10"]


@pytest.mark.parametrize("terminal", [False, True])
def test_that_data_is_fetched_with_progress_on_stderr(
    workspace_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    content = b"pixels" * 1000
    (tmp_path / "there.gz").write_bytes(content)
    source = Download("file.gz", ((tmp_path / "there.gz").as_uri(),), hashlib.md5(content).hexdigest())
    monkeypatch.setattr(fetch, "sources", lambda name: (source,))
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    done = iterand("data", "fetch", "mnist", "--workspace", workspace_dir)
    assert done.code == 0, done.err
    assert done.out == f"mnist is in {workspace_dir / 'data' / 'mnist'}\n"
    assert (workspace_dir / "data" / "mnist" / "file.gz").read_bytes() == content
    assert "file.gz" in done.err
    assert ("━" in done.err) is terminal


def test_that_programs_read_how_far_a_download_is(
    workspace_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {"one.gz": b"pixels" * 1000, "two.gz": b"labels" * 500}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    sources = tuple(
        Download(name, ((tmp_path / name).as_uri(),), hashlib.md5(content).hexdigest())
        for name, content in contents.items()
    )
    monkeypatch.setattr(fetch, "sources", lambda name: sources)
    done = iterand("data", "fetch", "mnist", "--json", "--workspace", workspace_dir)
    reported = [read_progress(line) for line in done.err.splitlines()]
    total = DATASETS["mnist"].download_bytes
    assert reported == [Progress(6000, total, "one.gz"), Progress(9000, total, "two.gz")]
    assert json.loads(done.out) == {"name": "mnist", "folder": str(workspace_dir / "data" / "mnist")}


def test_that_a_download_that_is_ended_leaves_nothing_half_done(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(name: str, root: Path, progress: fetch.Progress) -> Path:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("goes on")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(data, "fetch", interrupted)
    done = iterand("data", "fetch", "mnist", "--json", "--workspace", workspace_dir)
    assert (done.code, done.out) == (130, "")
    assert done.err == "Stopped; mnist was not downloaded.\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_that_the_demo_trains_three_methods_at_two_widths_and_ends_with_a_table(
    workspace_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shortened() -> list[RunConfig]:
        return [
            config.model_copy(
                update={
                    "data": config.data.model_copy(update={"train_limit": 128}),
                    "training": config.training.model_copy(update={"epochs": 1}),
                    "compute": config.compute.model_copy(update={"threads": 1, "device": "cpu"}),
                }
            )
            for config in demo_configs()
        ]

    monkeypatch.setattr(demo, "demo_configs", shortened)
    done = iterand("demo", "--workspace", workspace_dir)
    assert done.code == 0, done.err
    table = [
        line.split() for line in done.out.splitlines() if line.startswith(("Dense", "Edge-popup", "IteRand"))
    ]
    assert len(table) == len(METHOD_NAMES) * len(WIDTHS) == 6
    for dense, edge_popup, iterand_row in (table[:3], table[3:]):
        assert (dense[0], edge_popup[0], iterand_row[0]) == ("Dense", "Edge-popup", "IteRand")
        weights, kept = (int(number.replace(",", "")) for number in (edge_popup[6], edge_popup[7]))
        assert dense[6] == dense[7] == edge_popup[6] == iterand_row[6]
        assert abs(kept - weights / 2) < 10
    with opened(workspace_dir) as (_, store):
        rows = store.reader.runs()
    assert {row.state for row in rows} == {RunState.FINISHED}
    assert {row.name for row in rows} == {f"demo-{m}-x{w:g}" for m in METHOD_NAMES for w in WIDTHS}


def test_that_a_demo_that_is_stopped_ends_as_its_run_does(
    workspace_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverging = config_file(tmp_path, method={"name": "dense"}, training={"lr": 1e30})
    from iterand_engine.config.run_config import load_yaml

    monkeypatch.setattr(demo, "demo_configs", lambda: [load_yaml(diverging)] * 2)
    done = iterand("demo", "--workspace", workspace_dir)
    assert done.code == 1
    assert done.out.count("diverged") == 1


def test_that_progress_is_a_plain_line_at_first_and_then_rarely(capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay()
    for _ in range(100):
        display.on_progress(PROGRESS)
    figures = "loss 0.2500 accuracy 0.8750 val_accuracy 0.5000 1234 images/s"
    assert capsys.readouterr().err == f"epoch 3/20 step 120/460 {figures} 1 min 35 s left\n"


def test_that_a_terminal_shows_place_figures_and_notes_as_they_are() -> None:
    screen = io.StringIO()
    display = LiveDisplay(Console(file=screen, force_terminal=True, width=80, color_system=None))
    display.on_progress(PROGRESS)
    display.note("a note [bold]as it is[/bold]")
    display.close()
    shown = screen.getvalue()
    for words in (
        "epoch 3/20 step 120/460",
        "1 min 35 s left",
        "loss 0.2500 accuracy 0.8750 val_accuracy 0.5000 1234 images/s",
        "a note [bold]as it is[/bold]",
    ):
        assert words in shown


class Closed(io.StringIO):
    """A terminal or pipe that was closed; `number` is what the system says then."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def write(self, text: str) -> int:
        raise OSError(self._number, "closed")

    def flush(self) -> None:
        raise OSError(self._number, "closed")


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO])
def test_that_a_closed_terminal_does_not_end_a_run(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    closed = Closed(number)
    monkeypatch.setattr(sys, "stderr", closed)
    for display in (PlainDisplay(), LiveDisplay(PatientConsole(file=closed, force_terminal=True))):
        display.on_progress(PROGRESS)
        display.note("still here")
        if isinstance(display, LiveDisplay):
            display.close()
    common.say("still here")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (95, "1 min 35 s"), (11_520, "3 h 12 min"), (200_000, "2 d 7 h"),
     (float("nan"), "-")],
)  # fmt: skip
def test_that_times_read_as_people_say_them(seconds: float, text: str) -> None:
    assert common.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (170_498_071, "170.5 MB"), (2e12, "2.0 TB"), (None, "-")]
)
def test_that_sizes_are_decimal(count: float | None, text: str) -> None:
    assert common.size(count) == text
