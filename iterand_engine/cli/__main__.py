"""`python -m iterand_engine.cli`: the command line where its script is not installed."""

from __future__ import annotations

from iterand_engine.cli import main

main()
