"""What makes two runs the same experiment: the group key. Torch-free.

Runs whose results should differ only by the seed share one key: the hash of data, model, method and
training without seed and name, with the dataset's content fingerprint in place of its path, the resolved
precision and the hashes of any extension used. Device, threads, memory format, workers, determinism and
recording are not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from iterand_engine.config.run_config import RunConfig


def group_key(config: RunConfig, *, fingerprint: str, precision: str, extensions: Sequence[str] = ()) -> str:
    """Hash what a run's result depends on besides its seed.

    Args:
        config: the complete configuration.
        fingerprint: of the dataset's content, or of the named set.
        precision: resolved: fp32, tf32 or bf16.
        extensions: hashes of the user's own code that the run uses.
    Returns:
        32 hexadecimal digits. A released default never changes, so neither does a key (a test freezes some).
    """
    mapping = config.to_mapping()
    for foreign in ("name", "compute", "recording"):
        del mapping[foreign]
    del mapping["training"]["seed"], mapping["data"]["path"]
    mapping |= {"fingerprint": fingerprint, "precision": precision, "extensions": sorted(extensions)}
    text = json.dumps(mapping, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
