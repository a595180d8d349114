"""Where the datasets of a workspace are, or would go, as window and command line list them. Torch-free."""

from __future__ import annotations

from iterand_engine.data.locate import Location, locate_all
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace

__all__ = ["Location", "dataset_places"]


def dataset_places(workspace: Workspace, settings: Settings) -> list[Location]:
    """Look for all datasets of the catalog, in its order, below the data roots and then in the workspace.

    Args:
        workspace: whose data folder a download goes to.
        settings: the workspace's.
    """
    return locate_all([*settings.data_roots, workspace.data_dir])
