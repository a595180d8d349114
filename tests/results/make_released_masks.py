"""Make `released/masks-N/`: masks as version N stores them; once for each, what is there never changes.

python tests/results/make_released_masks.py
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from iterand_engine.config.method_options import EdgePopupOptions
from iterand_engine.pruning.methods.base import RunPlan
from iterand_engine.pruning.methods.edge_popup import EdgePopup
from iterand_engine.results.epoch_masks import write_epoch
from iterand_engine.results.mask_export import masks_bytes
from iterand_engine.results.stored_mask import VERSION
from iterand_engine.training import final_state
from iterand_engine.training.mask_snapshot import snapshot_masks

RELEASED = Path(__file__).parent / "released" / f"masks-{VERSION}"
EPOCHS = (0, 1, 2, 9, 10, 11)  # 0, 9 and 10 stand alone, the others are differences


def main() -> None:
    """Write the files, and beside them what is to be read from them."""
    torch.manual_seed(8)
    module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Linear(7, 3))
    method = EdgePopup(module, EdgePopupOptions(sparsity=0.6), RunPlan(total_steps=1, seed=8))
    (RELEASED / "masks").mkdir(parents=True)
    kept: dict[str, dict[str, list[int]]] = {}
    previous = None
    for epoch in EPOCHS:
        for layer in method.layers:
            layer.masking.scores.data += torch.randn_like(layer.masking.scores)
        method.select()
        masks = snapshot_masks(method.layers, epoch)
        write_epoch(RELEASED / "masks", masks, previous)
        previous = masks
        kept[str(epoch)] = {
            layer.name: layer.masking.mask.reshape(-1).nonzero()[:, 0].tolist() for layer in method.layers
        }
    assert previous is not None
    (RELEASED / "export.npz").write_bytes(masks_bytes(previous))
    state = final_state.snapshot(module, method.layers, {"epoch": "11", "step": "55"})
    (RELEASED / "final.safetensors").write_bytes(final_state.to_bytes(state))
    expected = {
        "kept": kept,  # places of kept weights in row-major order, by epoch and layer
        "shapes": {layer.name: list(layer.weight.shape) for layer in method.layers},
        "thresholds": {name: one.threshold for name, one in previous.histograms.items()},  # of the last epoch
        "digest": final_state.digest(state),
    }
    (RELEASED / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
