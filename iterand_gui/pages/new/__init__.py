"""The New page: choose what to train, see what it would be, queue it."""

from iterand_gui.pages.new.page import NewPage

__all__ = ["NewPage"]
