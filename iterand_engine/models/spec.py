"""The input specification that every network gets, and the rule by which a width factor changes channels.

Source: Chijiwa et al., arXiv:2106.09269.
"""

from __future__ import annotations

from dataclasses import dataclass

from iterand_engine.errors import UserError

SMALL_IMAGE_PX = 64  # up to here a residual network has the 3x3 stem, above the 7x7 stem and the max-pool


@dataclass(frozen=True)
class InputSpec:
    """Images as a network gets them, and the number of classes.

    Args:
        channels: colour channels, 3 for all datasets here (grey images are repeated).
        height: pixels, after padding or resizing.
        width: pixels, after padding or resizing.
        classes: outputs of the network.
    Raises:
        ValueError: a number is below 1.
    """

    channels: int
    height: int
    width: int
    classes: int

    def __post_init__(self) -> None:
        for name in ("channels", "height", "width", "classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of an input specification is {getattr(self, name)}; at least 1")

    @property
    def is_small(self) -> bool:
        """Whether residual networks take their 32-px form."""
        return max(self.height, self.width) <= SMALL_IMAGE_PX


def scaled(channels: int, width_factor: float) -> int:
    """Apply a width factor: int(channels * width_factor).

    Args:
        channels: of one layer at width 1.
        width_factor: above 0.
    Returns:
        Channels, at least 1.
    Raises:
        UserError: none would be left.
    """
    count = int(channels * width_factor)
    if count < 1:
        raise UserError(
            f"model.width_factor {width_factor:g} leaves no channel to a layer that has {channels} at "
            f"width 1; use at least {1 / channels:g}."
        )
    return count
