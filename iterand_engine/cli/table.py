"""Tables of plain text: Rich lays them out on a terminal; piped output looks the same without Rich.

Importing Rich and rendering a hundred rows takes as long as reading them from the database.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

WIDE = 200  # columns of a table that is piped: nothing is cut off there
_TERMINAL_VARIABLES = ("FORCE_COLOR", "TTY_COMPATIBLE")  # Rich takes a pipe for a terminal


class CliTable:
    """A table of plain text, printed as a whole.

    Args:
        columns: the headings of the columns.
        right: the headings of the columns with numbers, which are aligned right.
    """

    def __init__(self, columns: Sequence[str], right: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._is_right = [column in right for column in columns]
        self._rows: list[list[str]] = []
        self.show_header = True

    def add(self, cells: Sequence[str]) -> None:
        """Add a row with a cell for each column."""
        self._rows.append(list(cells))

    def show(self) -> None:
        """Print the table on stdout, with its full width where that is no terminal."""
        terminal = sys.stdout.isatty()
        plain = None if terminal or any(map(os.environ.get, _TERMINAL_VARIABLES)) else self._plain()
        if plain is None:
            self._show_by_rich(None if terminal else WIDE)
        else:
            sys.stdout.write(plain)
            sys.stdout.flush()

    def _plain(self) -> str | None:
        """Lay out the table as Rich does; None if a cell or a line needs more than padding."""
        lines = [*([list(self._columns)] if self.show_header else []), *self._rows]
        if not lines or not all(
            cell.isascii() and (not cell or cell.isprintable()) for line in lines for cell in line
        ):
            return None
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        if not all(widths) or sum(widths) + 2 * (len(widths) - 1) > WIDE:
            return None
        columns = list(zip(widths, self._is_right, strict=True))
        return "".join(
            "  ".join(
                cell.rstrip().rjust(width) if right else cell.ljust(width)
                for cell, (width, right) in zip(line, columns, strict=True)
            )
            + "\n"
            for line in lines
        )

    def _show_by_rich(self, width: int | None) -> None:
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=None, pad_edge=False, header_style="bold", show_header=self.show_header)
        for column, right in zip(self._columns, self._is_right, strict=True):
            table.add_column(column, justify="right" if right else "left", overflow="fold")
        for row in self._rows:
            table.add_row(*map(Text, row))
        Console(width=width, highlight=False, markup=False).print(table)
