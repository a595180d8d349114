"""`iterand bench`: how long a step takes on this machine, dense and with IteRand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from iterand_engine.cli.common import WorkspaceOption, add_row, make_table, result, say, show_table
from iterand_engine.config.catalog import MODELS, find
from iterand_engine.errors import UserError
from iterand_engine.machine.devices import Device, default_threads, find_device
from iterand_engine.machine.environment import snapshot

if TYPE_CHECKING:
    from iterand_engine.training.numerics import Numerics

DEFAULT_NETWORKS = "resnet18:0.25,resnet18:1,conv6:1"


def bench(
    networks: Annotated[
        str, typer.Option(metavar="NAME:WIDTH,...", help="Networks and width factors.")
    ] = DEFAULT_NETWORKS,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, or the start of a GPU's UUID.")] = "auto",
    pairs: Annotated[int, typer.Option(min=1, help="Steps of each kind, done by turns.")] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Images of 32 px in a step.")] = 128,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; else as a run would use.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Time training steps: IteRand against dense, by turns, with the spread of their ratio."""
    chosen = [_network(text) for text in networks.split(",")]
    place = find_device(device)
    count = threads or default_threads()
    if place.kind == "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = place.id
    from iterand_engine.preflight.ratios import compare_with_dense

    table = make_table(
        "network",
        "precision",
        "n",
        "dense, ms",
        "IteRand, ms",
        "ratio",
        "95 % interval",
        right=("n", "ratio"),
    )
    for name, width in chosen:
        for numerics in _precisions(place, count):
            say(f"timing {name} x{width:g} in {numerics.precision} ...")
            ratio = compare_with_dense(name, width, numerics, pairs=pairs, batch_size=batch_size)
            add_row(
                table,
                f"{name} x{width:g}",
                numerics.precision,
                ratio.pairs,
                f"{1e3 * ratio.second_s:.1f}",
                f"{1e3 * ratio.first_s:.1f}",
                f"{ratio.ratio:.3f}",
                f"{ratio.low:.3f}-{ratio.high:.3f}",
            )
    show_table(table)
    where = snapshot(place, count)
    result(f"{where.device}, {count} threads, batch {batch_size}, torch {where.packages.get('torch')}")


def _network(text: str) -> tuple[str, float]:
    name, _, width = text.strip().partition(":")
    find("model", MODELS, name)
    try:
        factor = float(width or 1)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 16:
        raise UserError(f"--networks: {text!r} has the width {width!r}; allowed: a number, 0 < width <= 16.")
    return name, factor


def _precisions(place: Device, threads: int) -> list[Numerics]:
    """Give fp32, and the other precisions that the device has natively."""
    import torch

    from iterand_engine.training.numerics import Numerics, Precision

    names: list[Precision] = ["fp32"]
    if place.bf16:
        names += ["tf32", "bf16"] if place.kind == "cuda" else ["bf16"]
    layout = {name: place.kind == "cpu" or name != "fp32" for name in names}
    where = torch.device(place.kind)
    return [Numerics(where, name, threads=threads, channels_last=layout[name]) for name in names]
