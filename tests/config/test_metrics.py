"""The declared series: what is recorded stands there, and what is declared can be shown."""

from __future__ import annotations

import math

import pytest

from iterand_engine.config.metrics import BY_LAYER, METRICS, Plot, Unit, metric_of


def test_that_a_series_is_declared_once_and_what_divides_it_is_declared_too() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert {metric.over for metric in METRICS if metric.over} <= set(names)
    assert all(metric.label and not metric.name.endswith(BY_LAYER) for metric in METRICS)


def test_that_series_of_one_plot_have_one_unit() -> None:
    units: dict[Plot, Unit] = {}
    for metric in METRICS:
        if metric.panel is not None:
            assert units.setdefault(metric.panel, metric.unit) is metric.unit, metric.name
    assert len({plot.key for plot in units}) == len(units)


def test_that_a_series_is_found_by_its_name_or_that_of_its_twin_and_any_other_shows_its_name() -> None:
    assert metric_of("mask_flips.layers") is metric_of("mask_flips")
    assert metric_of("mask_flips").label == "Mask flips"
    unknown = metric_of("somebody_s_own")
    assert (unknown.label, unknown.unit, unknown.better) == ("somebody_s_own", Unit.NUMBER, "")


@pytest.mark.parametrize(
    ("name", "values", "index"),
    [
        ("val_accuracy", [0.1, 0.9, 0.9, 0.2], 1),
        ("val_loss", [3.0, math.nan, 1.0, 1.0], 2),
        ("val_loss", [math.nan], None),
        ("lr", [0.1, 0.2], None),
    ],
)
def test_that_the_best_is_the_first_of_the_better_ones(
    name: str, values: list[float], index: int | None
) -> None:
    assert metric_of(name).best(values) == index
