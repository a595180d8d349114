"""`python -m iterand_gui` is `iterand-gui`."""

from __future__ import annotations

import sys

from iterand_gui.shell.app import main

if __name__ == "__main__":
    sys.exit(main())
