"""The Settings page: a list of sections at the left, the one in view at the right; one module a section."""

from iterand_gui.pages.settings.page import SettingsPage

__all__ = ["SettingsPage"]
