"""Exports the pruned network of a run, for torch alone; a run keeps weights of its last and best epoch."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save

from iterand_engine.errors import Advice, UserError
from iterand_engine.machine.workspace import Workspace
from iterand_engine.results.mask_export import (
    BEST,
    LAST,
    best_epoch,
    check_target,
    epoch_number,
    write_export,
)
from iterand_engine.store import RunDetail, RunState, Store
from iterand_engine.training.final_state import FinalState, pruned_state_dict, read


def export_network(
    workspace: Workspace, store: Store, run_id: str, out: Path, *, epoch: str = LAST, replace: bool = False
) -> int:
    """Write a run's pruned network: its plain state_dict as a safetensors file, with facts as metadata.

    Arguments, result and errors are those of `mask_export.export_masks`. In addition, the run must have
    finished.
    """
    detail = store.reader.run(run_id)
    check_target(workspace, out, replace=replace)
    state, number = _network(workspace, store, detail, epoch)
    about = {
        "run": detail.id,
        "name": detail.name,
        "model": detail.model,
        "width_factor": f"{detail.width_factor:g}",
        "dataset": detail.dataset,
        "method": detail.method,
        "epoch": state.facts["epoch"],
    }
    tensors = {name: tensor.contiguous() for name, tensor in pruned_state_dict(state).items()}
    write_export(out, save(tensors, metadata=about))
    return number


def _network(workspace: Workspace, store: Store, detail: RunDetail, epoch: str) -> tuple[FinalState, int]:
    """Read the network of an epoch from the run's own file; return it with the epoch's number."""
    if detail.state is not RunState.FINISHED:
        raise UserError(
            f"Run {detail.id} is {detail.state}: a network is exported once its run has finished; "
            "masks can be exported at any time."
        )
    file, number = _network_file(store, detail, epoch)
    state = read(workspace.run_dir(detail.id) / file)
    if state.facts["epoch"] != str(number):  # a run that was interrupted and went on along another path
        raise UserError(
            f"Run {detail.id} did not keep the network of its best epoch {number} "
            f"({file} is of epoch {state.facts['epoch']}).",
            Advice.LAST_EPOCH,
        )
    return state, number


def _network_file(store: Store, detail: RunDetail, epoch: str) -> tuple[str, int]:
    last = detail.epoch
    number = last if epoch == LAST else best_epoch(store, detail.id) if epoch == BEST else epoch_number(epoch)
    if number == last:
        return "final.safetensors", last
    if epoch == BEST or number == _known_best(store, detail.id):
        return "best.safetensors", number
    raise UserError(
        f"Epoch {epoch} has no network: weights are kept of the last epoch ({last}) and the best one only; "
        "masks are kept of every epoch.",
        Advice.EXPORT_MASKS,
    )


def _known_best(store: Store, run_id: str) -> int | None:
    try:
        return best_epoch(store, run_id)
    except UserError:
        return None
