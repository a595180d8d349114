"""Colours: text is legible, everybody can distinguish runs, and a run keeps its colour."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from iterand_gui.look.colours import DARK, LIGHT, Colours, RunColours
from tests.gui.colour_tools import contrast, linear_rgb

AA_TEXT, AA_SIGNS = 4.5, 3.0
APART = 0.079  # in OKLab; a difference of 0.02 can just be seen

# Linear RGB as people without one kind of cone see it: Machado, Oliveira and Fernandes 2009, severity 1.
VISIONS = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# OKLab, https://bottosson.github.io/posts/oklab/
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
BOTH = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])


def seen(colour: str, vision: str) -> NDArray[np.float64]:
    rgb = np.clip(VISIONS[vision] @ np.array(linear_rgb(colour)), 0, 1)
    return np.asarray(TO_LAB @ np.cbrt(TO_CONES @ rgb))


@BOTH
def test_that_every_text_is_legible_wherever_it_stands(colours: Colours) -> None:
    texts = (colours.text, colours.muted, colours.accent, colours.good, colours.warn, colours.bad)
    grounds = (colours.window, colours.base, colours.alternate, colours.button, colours.tooltip)
    for text, ground in itertools.product(texts, grounds):
        assert contrast(text, ground) >= AA_TEXT, f"{text} on {ground}"
    assert contrast(colours.on_accent, colours.accent) >= AA_TEXT


@BOTH
def test_that_run_colours_stand_out_from_the_ground(colours: Colours) -> None:
    for run, ground in itertools.product(colours.runs, (colours.base, colours.alternate)):
        assert contrast(run, ground) >= AA_SIGNS, f"{run} on {ground}"


@BOTH
def test_that_the_outlines_of_controls_are_seen(colours: Colours) -> None:
    for ground in (colours.window, colours.base, colours.alternate):
        assert contrast(colours.outline, ground) >= AA_SIGNS


@BOTH
@pytest.mark.parametrize("vision", VISIONS)
def test_that_run_colours_differ_for_every_kind_of_colour_vision(colours: Colours, vision: str) -> None:
    for one, other in itertools.combinations(colours.runs, 2):
        distance = float(np.linalg.norm(seen(one, vision) - seen(other, vision)))
        assert distance >= APART, f"{one} and {other} look alike: {distance:.3f}"


def test_that_the_measure_of_colour_vision_finds_red_and_green_alike() -> None:
    distance = {
        vision: np.linalg.norm(seen("#b05050", vision) - seen("#7c7c40", vision)) for vision in VISIONS
    }
    assert distance["deutan"] < APART < distance["normal"]


def test_that_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_that_light_and_dark_have_the_same_number_of_run_colours() -> None:
    assert len(LIGHT.runs) == len(DARK.runs)


@given(st.lists(st.text(max_size=20), unique=True, max_size=40))
def test_that_runs_share_a_colour_only_when_all_are_given_out(keys: list[str]) -> None:
    colours = RunColours()
    numbers = [colours.number(key) for key in keys]
    assert [colours.number(key) for key in keys] == numbers
    given_out = [numbers.count(number) for number in range(len(LIGHT.runs))]
    assert max(given_out) - min(given_out) <= 1


@given(st.lists(st.text(max_size=20), unique=True, min_size=1, max_size=40))
def test_that_colours_survive_a_restart_whatever_is_asked_for_first(keys: list[str]) -> None:
    before = RunColours()
    numbers = {key: before.number(key) for key in keys}
    after = RunColours()
    after.restore(before.numbers())
    assert {key: after.number(key) for key in reversed(keys)} == numbers


def test_that_only_the_newest_colours_are_remembered() -> None:
    colours = RunColours()
    for key in "abc":
        colours.number(key)
    assert list(colours.numbers(newest=2)) == ["b", "c"]


def test_that_remembered_numbers_that_make_no_sense_are_passed_over() -> None:
    colours = RunColours()
    colours.restore({"a": 99, "b": -1})
    assert colours.numbers() == {}
