"""The five pages, in their order: a line here makes a page known to the window.

Modules are named, not imported: a page is imported when it is first shown.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PageEntry:
    """One page: its key in the remembered state, name, icon (of the theme) and `module:class`."""

    key: str
    title: str
    icon: str
    target: str


PAGES = (
    PageEntry("runs", "Runs", "runs", "iterand_gui.pages.runs:RunsPage"),
    PageEntry("new", "New", "new", "iterand_gui.pages.new:NewPage"),
    PageEntry("run", "Run", "run", "iterand_gui.pages.run:RunPage"),
    PageEntry("compare", "Compare", "compare", "iterand_gui.pages.compare:ComparePage"),
    PageEntry("settings", "Settings", "settings", "iterand_gui.pages.settings:SettingsPage"),
)
