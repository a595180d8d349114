"""The command line `iterand`: what each command prints is for people, `--json` for programs.

stdout carries results only; progress, notes and errors go to stderr. torch is imported by the commands that
train, export or reproduce, and only once they run. See docs/command-line.md.
"""

from __future__ import annotations

from iterand_engine.cli.app import main

__all__ = ["main"]
