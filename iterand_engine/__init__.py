"""Train, record and analyse randomly weighted networks: no Qt, and no torch until something trains.

`open_workspace` reads what was recorded (docs/python.md); it is imported when it is first used.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iterand_engine.api import OpenWorkspace, Run, open_workspace
    from iterand_engine.version import __version__

__all__ = ["OpenWorkspace", "Run", "__version__", "open_workspace"]

if not TYPE_CHECKING:  # a checker would take any name at all for one of ours

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = "iterand_engine.version" if name == "__version__" else "iterand_engine.api"
        return getattr(_import_module(home), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
