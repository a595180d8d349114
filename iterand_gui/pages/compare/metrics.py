"""The series that can be laid side by side, the first of them where nobody chose. No Qt."""

from __future__ import annotations

from typing import Final

from iterand_engine.config import metrics
from iterand_engine.config.metrics import Metric

METRICS: Final = tuple(metric for metric in metrics.METRICS if metric.compared)


def metric_of(series: object) -> Metric:
    """A metric by the name of its series; the first where there is none of that name."""
    return next((metric for metric in METRICS if metric.name == series), METRICS[0])
