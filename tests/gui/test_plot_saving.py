"""Plots as files: images show what is seen, drawings are lines, CSV has every point; failures are said."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from iterand_gui.look import theme
from iterand_gui.look.colours import DARK, LIGHT
from iterand_gui.plots.curve_plot import CurvePlot, CurveStyle
from tests.gui.plot_tools import colour, draw, noise, pixels, press, show
from tests.patience import WAIT_MS


@pytest.fixture
def plot(qtbot: QtBot) -> CurvePlot:
    """A plot in a dark window."""
    plot = CurvePlot("Validation loss")
    show(qtbot, plot)
    plot.setPalette(theme.palette_of(DARK))
    plot.set_series("a", *noise(5000), style=CurveStyle("IteRand, x0.5", "a"))
    draw(plot)
    return plot


def light_colour() -> str:
    return LIGHT.runs[theme.run_colours().number("a")]


def save(plot: CurvePlot, qtbot: QtBot, path: Path) -> Path:
    with qtbot.waitSignal(plot.saved, timeout=WAIT_MS) as heard, qtbot.assertNotEmitted(plot.failed):
        plot.files.save(path)
    assert heard.args == [str(path)]
    return path


def test_that_an_image_is_light_and_has_the_curve(plot: CurvePlot, qtbot: QtBot, tmp_path: Path) -> None:
    image = QImage(str(save(plot, qtbot, tmp_path / "plot.png")))
    assert image.width() > 2 * 500
    assert pixels(image, LIGHT.base, near=3) > image.width() * image.height() / 3
    assert pixels(image, light_colour()) > 2000
    assert pixels(image, LIGHT.text) > 50
    assert pixels(draw(plot).grab().toImage(), DARK.base, near=5) > 10_000


def test_that_a_drawing_has_lines_and_texts_and_no_pixels(
    plot: CurvePlot, qtbot: QtBot, tmp_path: Path
) -> None:
    path = save(plot, qtbot, tmp_path / "plot.svg")
    text = path.read_text(encoding="utf-8")
    assert "<image" not in text
    assert "IteRand, x0.5" in text
    assert "Validation loss" in text
    assert ">Step<" in text.replace(" ", "")
    renderer = QSvgRenderer(str(path))
    assert renderer.isValid()
    assert light_colour() in text


def test_that_csv_has_every_point(plot: CurvePlot, qtbot: QtBot, tmp_path: Path) -> None:
    path = save(plot, qtbot, tmp_path / "points.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    steps, values = noise(5000)
    assert rows[0] == ["Step", "IteRand, x0.5"]
    assert [int(row[0]) for row in rows[1:]] == steps.tolist()
    assert np.array_equal(np.array([row[1] for row in rows[1:]], np.float32), values)


def test_that_csv_has_the_points_of_the_moment_it_was_asked_for(
    plot: CurvePlot, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "points.csv"
    with qtbot.waitSignal(plot.saved, timeout=WAIT_MS):
        plot.files.save(path)
        plot.cut("a", 10)
        plot.extend("a", np.arange(10, 5000), np.full(4990, 99, np.float32))
    assert len(path.read_text(encoding="utf-8").splitlines()) == 5001
    assert "99" not in path.read_text(encoding="utf-8").splitlines()[100].split(",")[1]


@pytest.mark.parametrize("name", ["plot.png", "plot.svg", "points.csv"])
def test_that_a_file_that_cannot_be_written_is_said(
    name: str, plot: CurvePlot, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "missing" / name
    with qtbot.waitSignal(plot.failed, timeout=WAIT_MS) as heard:
        plot.files.save(path)
    (sentence,) = heard.args
    assert sentence.startswith(f"Cannot write '{path}': ")
    assert not path.parent.exists()


def test_that_other_kinds_of_files_are_refused_with_those_there_are(
    plot: CurvePlot, qtbot: QtBot, tmp_path: Path
) -> None:
    with qtbot.waitSignal(plot.failed, timeout=WAIT_MS) as heard:
        plot.files.save(tmp_path / "plot.gif")
    (sentence,) = heard.args
    assert sentence == "Cannot save a plot as 'plot.gif': its name must end in one of .png, .svg, .csv."


def test_that_a_plot_that_is_hidden_can_be_saved(qtbot: QtBot, tmp_path: Path) -> None:
    plot = CurvePlot("Loss")
    qtbot.addWidget(plot)
    plot.set_series("a", *noise(500), style=CurveStyle("a", "a"))
    image = QImage(str(save(plot, qtbot, tmp_path / "plot.png")))
    assert pixels(image, light_colour()) > 500


def test_that_a_picture_goes_to_the_clipboard(plot: CurvePlot, qtbot: QtBot) -> None:
    plot.setFocus()
    press(plot, Qt.Key.Key_C)
    assert pixels(QApplication.clipboard().image(), light_colour()) > 2000


def test_that_the_path_is_asked_for_without_waiting(plot: CurvePlot, qtbot: QtBot, tmp_path: Path) -> None:
    plot.files.ask_path()
    (dialog,) = plot.findChildren(QFileDialog)
    assert dialog.isVisible()
    with qtbot.waitSignal(plot.saved, timeout=WAIT_MS):
        dialog.fileSelected.emit(str(tmp_path / "asked.svg"))
    assert (tmp_path / "asked.svg").exists()
    dialog.close()


def test_that_the_suffix_follows_the_kind_of_file_chosen(plot: CurvePlot) -> None:
    plot.files.ask_path()
    (dialog,) = plot.findChildren(QFileDialog)
    for name, suffix in zip(dialog.nameFilters(), ("png", "svg", "csv"), strict=True):
        dialog.filterSelected.emit(name)
        assert dialog.defaultSuffix() == suffix
    dialog.close()


def test_that_saving_leaves_the_plot_as_it_was(plot: CurvePlot, qtbot: QtBot, tmp_path: Path) -> None:
    before = colour(plot, "a")
    values = plot.values
    save(plot, qtbot, tmp_path / "plot.png")
    canvas = draw(plot)
    assert (colour(plot, "a"), plot.values) == (before, values)
    assert canvas.colours is DARK
