"""The Run page: one run, live."""

from iterand_gui.pages.run.page import RunPage

__all__ = ["RunPage"]
