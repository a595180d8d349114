"""The theme: light and dark switch while the window is open, and icons, words and colours follow."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QFontMetricsF, QIcon, QImage, QPalette
from PySide6.QtWidgets import QApplication, QCheckBox, QLineEdit, QRadioButton, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from iterand_engine.store import RunState
from iterand_gui.look import theme
from iterand_gui.look.colours import DARK, LIGHT
from iterand_gui.look.theme import Theme, ThemeChoice
from tests.gui.colour_tools import contrast
from tests.patience import PATIENCE_S, WAIT_MS


@pytest.fixture
def look(qapp: QApplication) -> Iterator[Theme]:
    before = qapp.palette()
    look = Theme(qapp)
    yield look
    look.choose(ThemeChoice.SYSTEM)
    look.deleteLater()
    qapp.setPalette(before)


def solid_colour(icon: QIcon, size: int = 32, mode: QIcon.Mode = QIcon.Mode.Normal) -> QColor:
    """The colour of an icon's most opaque pixel; fails where it has none."""
    image = icon.pixmap(QSize(size, size), mode).toImage().convertToFormat(QImage.Format.Format_ARGB32)
    pixels = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    strongest = max(pixels, key=QColor.alpha)
    assert strongest.alpha() > 200, "the icon is empty"
    return strongest


def shape(icon: QIcon) -> bytes:
    image = icon.pixmap(32, 32).toImage().convertToFormat(QImage.Format.Format_Alpha8)
    return bytes(image.constBits())


def test_that_the_theme_switches_while_the_window_is_open(
    look: Theme, qapp: QApplication, qtbot: QtBot
) -> None:
    picture = theme.icon("new")
    for choice, colours in ((ThemeChoice.DARK, DARK), (ThemeChoice.LIGHT, LIGHT), (ThemeChoice.DARK, DARK)):
        with qtbot.waitSignal(look.changed, timeout=WAIT_MS):
            look.choose(choice)
        assert look.choice is choice
        assert qapp.palette().color(QPalette.ColorRole.Window).name() == colours.window
        assert theme.colours() is colours
        assert solid_colour(picture).name() == colours.text
        assert theme.run_colour("a run").name() in colours.runs


def test_that_outlines_of_controls_are_seen_in_light_and_dark(look: Theme, qapp: QApplication) -> None:
    window = QWidget()
    controls = (QCheckBox(window), QRadioButton(window), QLineEdit(window), QSpinBox(window))
    for choice, colours in ((ThemeChoice.DARK, DARK), (ThemeChoice.LIGHT, LIGHT)):
        look.choose(choice)
        qapp.processEvents()  # widgets learn of another palette by an event
        for control in controls:
            control.resize(120, 30)
            picture = control.grab().toImage()
            places = itertools.product(range(picture.width()), range(picture.height()))
            seen = {picture.pixelColor(*place).name() for place in places}
            if isinstance(control, QSpinBox):  # which has a text, too
                assert colours.outline in seen
            else:
                assert max(contrast(colour, colours.window) for colour in seen) >= 3, control


def test_that_a_system_that_says_nothing_gets_the_light_theme(look: Theme) -> None:
    look.choose(ThemeChoice.DARK)
    look.choose(ThemeChoice.SYSTEM)
    assert theme.colours() is LIGHT


def test_that_a_palette_stands_for_its_colours(qapp: QApplication) -> None:
    for colours in (LIGHT, DARK):
        palette = theme.palette_of(colours)
        assert theme.colours(palette) is colours
        assert theme.run_colour("x", palette).name() == colours.runs[theme.run_colours().number("x")]


def test_that_disabled_things_look_disabled(look: Theme) -> None:
    assert solid_colour(theme.icon("stop"), mode=QIcon.Mode.Disabled) != solid_colour(theme.icon("stop"))


def test_that_every_state_has_a_word_and_a_shape_of_its_own(look: Theme) -> None:
    assert set(theme.STATE_LOOKS) == {state.value for state in RunState}
    assert len({theme.state_word(state) for state in RunState}) == len(RunState)
    assert len({shape(theme.state_icon(state)) for state in RunState}) == len(RunState)


def test_that_a_state_has_the_colour_of_its_role(look: Theme) -> None:
    assert theme.state_colour(RunState.FAILED).name() == LIGHT.bad
    assert solid_colour(theme.state_icon(RunState.FAILED)).name() == LIGHT.bad


@pytest.mark.parametrize("name", sorted(theme.ICONS))
def test_that_every_icon_is_in_the_set(name: str, look: Theme) -> None:
    assert solid_colour(theme.icon(name)).name() == LIGHT.text


def test_that_an_icon_that_does_not_exist_is_named(look: Theme) -> None:
    with pytest.raises(KeyError, match="no icon 'unicorn'"):
        theme.icon("unicorn")


def test_that_messages_have_icons(look: Theme) -> None:
    found = {solid_colour(theme.message_icon(level)).name() for level in ("info", "warning", "error")}
    assert found == {LIGHT.accent, LIGHT.warn, LIGHT.bad}


def test_that_digits_have_one_width(look: Theme) -> None:
    metrics = QFontMetricsF(theme.number_font())
    assert len({metrics.horizontalAdvance(digit) for digit in "0123456789"}) == 1


def test_that_headings_are_heavier_and_logs_have_one_width(look: Theme, qapp: QApplication) -> None:
    assert theme.title_font().weight() > qapp.font().weight()
    metrics = QFontMetricsF(theme.fixed_font())
    assert metrics.horizontalAdvance("i") == metrics.horizontalAdvance("W")


def test_that_the_theme_loads_neither_qtpy_nor_pyqtgraph() -> None:
    code = (
        "import iterand_gui.look.theme, sys;"
        "print(*{'qtpy', 'qtawesome', 'pyqtgraph', 'torch', 'sqlalchemy'} & set(sys.modules))"
    )
    python = [sys.executable, "-c", code]
    done = subprocess.run(python, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert done.stdout.split() == []
