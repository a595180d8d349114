"""Import torchvision also where its compiled operators do not load.

Some installs pair a CPU torch with a torchvision built for another torch. `import torchvision` then fails
with "operator torchvision::nms does not exist", because it registers shape functions for operators that its
library failed to define. None of those operators is used here (only dataset addresses, plain networks and,
in tests, transforms), so placeholders are declared for the missing ones before the import; calling one
still fails.

Limits: covers operators named by `register_fake` in torchvision/_meta_registrations.py, read as text.
Source: torchvision 0.21-0.28, `extension.py` and `_meta_registrations.py`.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import torch

from iterand_engine.errors import UserError

_REGISTERED = re.compile(r"""register_fake\(\s*["']torchvision::(\w+)["']""")
_SCHEMA = "{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache  # keeps the library object alive: its operators vanish with it
def _placeholder_library() -> torch.library.Library:
    return torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]


def _package_dir() -> Path:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise UserError("torchvision is not installed; install it beside torch (`pip install torchvision`).")
    return Path(spec.origin).parent


def _load_compiled_operators(package_dir: Path) -> bool:
    """Load torchvision's own library the way its `extension.py` does; say whether that worked."""
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        library = package_dir / f"_C{suffix}"
        if library.is_file():
            try:
                torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
            except OSError:
                return False
            return True
    return False


def missing_operators(registrations: str) -> list[str]:
    """Names of torchvision operators that a source text registers and that torch does not know.

    Args:
        registrations: the text of torchvision/_meta_registrations.py.
    Returns:
        Operator names without the `torchvision::` prefix, in the text's order.
    """
    namespace = torch.ops.torchvision
    return [name for name in _REGISTERED.findall(registrations) if not hasattr(namespace, name)]


def import_torchvision() -> ModuleType:
    """Return the torchvision module, with placeholders for operators that its install cannot load.

    Returns:
        The imported `torchvision`; its `datasets`, `models` and `transforms` work, its compiled
        operators (`nms`, ...) work only where the install is sound.
    Raises:
        UserError: torchvision is not installed.
    """
    if "torchvision" not in sys.modules:
        package_dir = _package_dir()
        registrations = package_dir / "_meta_registrations.py"
        if not _load_compiled_operators(package_dir) and registrations.is_file():
            for name in missing_operators(registrations.read_text(encoding="utf-8")):
                _placeholder_library().define(_SCHEMA.format(name=name))  # type: ignore[no-untyped-call]
    return importlib.import_module("torchvision")
