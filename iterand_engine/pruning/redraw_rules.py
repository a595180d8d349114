"""Redraw rules: which removed weights get new values at a redraw, and which values.

A rule gets one layer and returns a `Redraw`. Kept weights are never changed, even if the rule asks for it.
Source of `uniform`: IteRand, arXiv 2106.09269, section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from iterand_engine.config.catalog import RULES, Entry, find
from iterand_engine.config.extension_code import ExtensionError, kind_of
from iterand_engine.config.method_options import RuleChoice
from iterand_engine.rng import RandomKey, Stream, bernoulli


@dataclass(frozen=True)
class RedrawSite:
    """The input of a rule: the layer whose removed weights are to be redrawn.

    weight, score and mask have one shape; mask is True where the weight is kept. `event` counts redraws from
    1; `progress` is the share of the run's steps that are done; `rate` is method.randomize_rate.
    """

    layer: str
    weight: Tensor
    score: Tensor
    mask: Tensor
    event: int
    progress: float
    rate: float
    seed: int

    def chance(self, probability: float) -> Tensor:
        """Draw a bool tensor like the weight, True with this probability, from the run's random stream."""
        key = RandomKey(self.seed, Stream.REDRAW, self.layer, self.event)
        return bernoulli(key, probability, self.weight.shape, self.weight.device)


@dataclass(frozen=True)
class Redraw:
    """Which weights get new values (bool), and the values; None draws from the initial distribution."""

    where: Tensor
    values: Tensor | None = None


Rule = Callable[[RedrawSite], Redraw]


def chosen_rule(choice: RuleChoice) -> Rule:
    """Give a redraw rule with its arguments; an extension's rule gets copies, and its result is checked.

    Args:
        choice: the rule that a configuration names.
    Raises:
        UserError: there is no such rule, or its extension cannot be loaded. A call of an extension's rule
            raises ExtensionError if it does not return a Redraw that fits the layer.
    """
    entry = find("redraw rule", RULES, choice.name)
    rule: Callable[..., Redraw] = entry.load()
    arguments: Mapping[str, Any] = choice.arguments
    if entry.origin is None:
        return lambda site: rule(site, **arguments)

    def guarded(site: RedrawSite) -> Redraw:
        # Copies, so that in-place changes cannot reach kept weights or scores; redraws are rare.
        weight, score, mask = (one.detach().clone() for one in (site.weight, site.score, site.mask))
        return _checked(rule(replace(site, weight=weight, score=score, mask=mask), **arguments), site, entry)

    return guarded


def _checked(answer: object, site: RedrawSite, entry: Entry) -> Redraw:
    shape = site.weight.shape
    if not isinstance(answer, Redraw):
        raise _wrong(
            entry, f"returned {kind_of(answer)}; it must return Redraw(where) or Redraw(where, values)"
        )
    for name, tensor in (("where", answer.where), ("values", answer.values)):
        if tensor is None and name == "values":
            continue
        if not isinstance(tensor, Tensor):
            raise _wrong(entry, f"returned {name} that is {kind_of(tensor)} and no tensor")
        if tensor.shape != shape or tensor.device != site.weight.device:
            raise _wrong(
                entry,
                f"returned {name} of shape {tuple(tensor.shape)} on {tensor.device} for the layer "
                f"{site.layer}, whose weights have shape {tuple(shape)} on {site.weight.device}",
            )
    if answer.where.dtype != torch.bool:
        raise _wrong(entry, f"returned where of {answer.where.dtype}; it must be torch.bool")
    return answer


def _wrong(entry: Entry, what: str) -> ExtensionError:
    return ExtensionError(f"{entry.origin}: the redraw rule {entry.name!r} {what}.")


def uniform(layer: RedrawSite) -> Redraw:
    """The paper's rule: each removed weight is redrawn with probability `rate`."""
    return Redraw(torch.logical_not(layer.mask) & layer.chance(layer.rate))
