"""Hooks of a training made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iterand_engine.training.hooks import Hooks


def hooks(**functions: Callable[..., Any]) -> Hooks:
    """Hooks of which some call these functions, by the names that they have in `Hooks`."""
    made = Hooks()
    for name, function in functions.items():
        assert hasattr(Hooks, name), name
        setattr(made, name, function)
    return made
