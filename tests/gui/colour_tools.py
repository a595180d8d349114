"""What is known of colours: how far two stand apart for somebody who reads."""

from __future__ import annotations


def contrast(one: str, other: str) -> float:
    """Contrast of two `#rrggbb` colours by WCAG 2.2: 1 to 21; text needs 4.5, lines and signs 3."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def linear_rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of `#rrggbb` as shares of light, 0 to 1."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _linear(red), _linear(green), _linear(blue)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _luminance(colour: str) -> float:
    red, green, blue = linear_rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
