"""The page that lays runs and groups side by side: one plot, and a table of what differs and came out."""

from __future__ import annotations

from iterand_gui.pages.compare.page import ComparePage

__all__ = ["ComparePage"]
