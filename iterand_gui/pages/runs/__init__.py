"""The Runs page: slots, a filter, all runs as a table that unfolds, and what is known of the chosen ones."""

from iterand_gui.pages.runs.page import RunsPage

__all__ = ["RunsPage"]
