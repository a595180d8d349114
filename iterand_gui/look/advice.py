"""The window's own words for what helps where a run waits: the buttons of Settings. No Qt."""

from __future__ import annotations

from collections.abc import Mapping

from iterand_engine.errors import Advice
from iterand_engine.slots.drain import Hindrance

_HELP: Mapping[Advice, str] = {
    Advice.START_SLOTS: "Start missing slots, or Continue after an upgrade, in Settings starts it.",
    Advice.REOPEN_SLOT: "Reopen closed slots in Settings opens it again.",
}


def sentence_of(why: Hindrance) -> str:
    """Why a run waits, and what helps if anything does."""
    return why.text if why.advice is None else f"{why.text} {_HELP[why.advice]}"
