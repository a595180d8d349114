"""The look of the window: Fusion in light and dark, spacing, fonts, icons, run colours, icons of states.

Everything follows the application's palette, so a theme changes while the window is open: icons and run
colours are looked up when something is painted, and widgets that keep colours renew them at `PaletteChange`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final, Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPalette
from PySide6.QtWidgets import QApplication

from iterand_gui.look.colours import DARK, LIGHT, Colours, RunColours
from iterand_gui.look.fusion import OutlinedFusion
from iterand_gui.look.icons import glyph_icon

# Distances in pixels, all steps of 4.
SPACE_XS: Final = 4
SPACE_S: Final = 8
SPACE_M: Final = 12
SPACE_L: Final = 16
SPACE_XL: Final = 24
ICON_PX: Final = 16
ICON_LARGE_PX: Final = 24
ROW_PX: Final = 28  # of tables and lists: fixed, so that long ones stay fast

# Texts hold users' names: labels show them as they are, and let them be copied.
PLAIN: Final = Qt.TextFormat.PlainText
SELECTABLE: Final = (
    Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
)

Role = Literal["text", "muted", "accent", "good", "warn", "bad"]
Level = Literal["info", "warning", "error"]


class ThemeChoice(StrEnum):
    """The themes that a user can choose."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class Theme(QObject):
    """Sets the application's palette and follows the system's setting; the composition root makes one."""

    changed = Signal()

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._app = app
        self._choice = ThemeChoice.SYSTEM
        app.setStyle(OutlinedFusion())
        app.styleHints().colorSchemeChanged.connect(self._apply)
        self._apply()

    @property
    def choice(self) -> ThemeChoice:
        return self._choice

    def choose(self, choice: ThemeChoice) -> None:
        """Show the window light, dark, or as the system is (light where it does not say)."""
        self._choice = choice
        schemes = {ThemeChoice.LIGHT: Qt.ColorScheme.Light, ThemeChoice.DARK: Qt.ColorScheme.Dark}
        # Title bars and native parts follow this; the palette below is our own.
        self._app.styleHints().setColorScheme(schemes.get(choice, Qt.ColorScheme.Unknown))
        self._apply()

    def _apply(self) -> None:
        dark = self._choice is ThemeChoice.DARK or (
            self._choice is ThemeChoice.SYSTEM and self._app.styleHints().colorScheme() is Qt.ColorScheme.Dark
        )
        self._app.setPalette(palette_of(DARK if dark else LIGHT))
        self.changed.emit()


def palette_of(colours: Colours) -> QPalette:
    """Qt's palette for a set of colours."""
    role = QPalette.ColorRole
    given = {
        role.Window: colours.window,
        role.WindowText: colours.text,
        role.Base: colours.base,
        role.AlternateBase: colours.alternate,
        role.Text: colours.text,
        role.Button: colours.button,
        role.ButtonText: colours.text,
        role.BrightText: colours.bad,
        role.ToolTipBase: colours.tooltip,
        role.ToolTipText: colours.text,
        role.PlaceholderText: colours.muted,
        role.Highlight: colours.accent,
        role.HighlightedText: colours.on_accent,
        role.Accent: colours.accent,
        role.Link: colours.accent,
        role.LinkVisited: colours.accent,
    }
    palette = QPalette(QColor(colours.button), QColor(colours.window))
    for each, colour in given.items():
        palette.setColor(each, QColor(colour))
    faint = mixed(QColor(colours.text), QColor(colours.window), 0.45)
    for each in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(QPalette.ColorGroup.Disabled, each, faint)
    palette.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(colours.line))
    return palette


def colours(palette: QPalette | None = None) -> Colours:
    """The set of colours that a palette (the application's, if none is given) stands for."""
    window = (palette or QGuiApplication.palette()).color(QPalette.ColorRole.Window)
    return DARK if window.lightness() < 128 else LIGHT


def colour(role: Role) -> QColor:
    """The colour of a kind of text now."""
    return QColor(_colour_text(role))


def icon(name: str, role: Role | None = None) -> QIcon:
    """An icon by what it stands for (`ICONS`) or by its name in the set.

    Args:
        name: for example `new`, `stop` or, as Phosphor calls it, `magnifying-glass`.
        role: what kind of text it is coloured like; None for button text. It follows the theme.
    Raises:
        KeyError: no such icon.
    """
    return glyph_icon(ICONS.get(name, name), None if role is None else _ColourOf(role))


def message_icon(level: Level) -> QIcon:
    """The icon of a message of level `info`, `warning` or `error`, in that level's colour."""
    roles: dict[Level, Role] = {"info": "accent", "warning": "warn", "error": "bad"}
    return icon(level, roles[level])


@dataclass(frozen=True)
class StateLook:
    """A state as the window shows it: a word, an icon that its shape alone distinguishes, and a colour."""

    word: str
    icon: str
    role: Role


# By the value of RunState; all ten are here (a test compares).
STATE_LOOKS: Final[dict[str, StateLook]] = {
    "queued": StateLook("Queued", "clock", "muted"),
    "starting": StateLook("Starting", "rocket-launch", "accent"),
    "running": StateLook("Running", "play-fill", "accent"),
    "stopping": StateLook("Stopping", "hourglass-medium", "warn"),
    "stalled": StateLook("Stalled", "warning", "warn"),
    "stopped": StateLook("Stopped", "square-fill", "muted"),
    "interrupted": StateLook("Interrupted", "lightning-slash", "warn"),
    "finished": StateLook("Finished", "check-circle-fill", "good"),
    "failed": StateLook("Failed", "x-circle-fill", "bad"),
    "diverged": StateLook("Diverged", "trend-up", "bad"),
}

# The name used here -> the name in the icon set.
ICONS: Final[dict[str, str]] = {
    "runs": "rows",
    "new": "plus",
    "run": "chart-line",
    "compare": "chart-line-up",
    "settings": "gear-six",
    "close": "x",
    "info": "info",
    "warning": "warning",
    "error": "warning-octagon",
    "resume": "play",
    "stop": "stop",
    "search": "magnifying-glass",
    "filter": "funnel-simple",
    "clone": "copy",
    "copy": "copy",
    "delete": "trash",
    "undo": "arrow-counter-clockwise",
    "folder": "folder-open",
    "log": "terminal",
    "export": "export",
    "save": "floppy-disk",
    "tag": "tag",
    "note": "note-pencil",
    "locked": "lock",
    "unlocked": "lock-open",
    "gpu": "cpu",
    "disk": "hard-drives",
    "seeds": "stack",
    "sweep": "squares-four",
    "pin": "push-pin",
    "table": "table",
    "more": "dots-three",
    "reset": "arrows-out",
    "follow": "caret-double-right",
}


def state_icon(state: str) -> QIcon:
    """The icon of a run's state, coloured; show the word beside it."""
    look = STATE_LOOKS[state]
    return icon(look.icon, look.role)


def state_word(state: str) -> str:
    """The state as a word."""
    return STATE_LOOKS[state].word


def state_colour(state: str) -> QColor:
    """The colour of the state's word and icon."""
    return colour(STATE_LOOKS[state].role)


@cache
def run_colours() -> RunColours:
    """The one list of the colours given out, for the composition root to remember and restore."""
    return RunColours()


def run_colour(key: str, palette: QPalette | None = None) -> QColor:
    """The colour of a run or group: the same on every page, lighter in a dark window.

    Args:
        key: the run's id or the group's key.
        palette: for another theme than the application's, as in an image for a paper.
    """
    return QColor(colours(palette).runs[run_colours().number(key)])


def number_font(base: QFont | None = None) -> QFont:
    """A font whose digits have one width, so that columns line up and numbers that change do not jump.

    Args:
        base: the font to start from; the application's if none.
    """
    font = QFont(base if base is not None else QGuiApplication.font())
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def fixed_font() -> QFont:
    """The system's font for logs and files."""
    return QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)


def title_font(base: QFont | None = None) -> QFont:
    """A font for headings: as large as the text around it, but heavier."""
    font = QFont(base if base is not None else QGuiApplication.font())
    font.setWeight(QFont.Weight.DemiBold)
    return font


@dataclass(frozen=True)
class _ColourOf:
    role: Role

    def __call__(self) -> str:
        return _colour_text(self.role)


def _colour_text(role: Role) -> str:
    now = colours()
    by_role: dict[Role, str] = {
        "text": now.text,
        "muted": now.muted,
        "accent": now.accent,
        "good": now.good,
        "warn": now.warn,
        "bad": now.bad,
    }
    return by_role[role]


def mixed(one: QColor, other: QColor, share: float) -> QColor:
    """A colour with `share` of the first and the rest of the other."""
    first, rest = (one.red(), one.green(), one.blue()), (other.red(), other.green(), other.blue())
    return QColor(*(round(share * a + (1 - share) * b) for a, b in zip(first, rest, strict=True)))
