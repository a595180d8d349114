"""The files of one run, written beside the training by one background thread.

Checkpoints (the newest and the one before it), the masks of every epoch, the network at its best validation
accuracy and at the end. See docs/store.md for the layout.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from iterand_engine.errors import UserError
from iterand_engine.machine import own_files
from iterand_engine.machine.workspace import Workspace
from iterand_engine.results.epoch_masks import EpochMasks, epoch_path, read_epoch, stored_epochs, write_epoch
from iterand_engine.runs.background_writer import BackgroundWriter
from iterand_engine.store import PublishedCheckpoint as StoredCheckpoint
from iterand_engine.store import Recorder, Store
from iterand_engine.training import checkpoint, final_state
from iterand_engine.training.checkpoint import Checkpoint
from iterand_engine.training.final_state import FinalState

KEPT_CHECKPOINTS = 2
_CHECKPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.pt")


class RunFiles:
    """Writes a run's files on a background thread, in the order of the calls.

    Args:
        workspace: has the run's folder.
        store: has the entries of the run's checkpoints.
        recorder: publishes checkpoints, after everything recorded before.
        run_id: the run's id.
    """

    def __init__(self, workspace: Workspace, store: Store, recorder: Recorder, run_id: str) -> None:
        self._workspace, self._store, self._recorder, self._run_id = workspace, store, recorder, run_id
        self._folder = workspace.run_dir(run_id)
        self._writer = BackgroundWriter()
        self._previous: EpochMasks | None = None

    @property
    def masks_folder(self) -> Path:
        """The folder of the epochs' masks."""
        return self._folder / "masks"

    def keep_masks_until(self, epoch: int, warn: Callable[[str], None]) -> None:
        """Remove masks of later epochs, which a resumed run writes again, and load those of `epoch`.

        Args:
            epoch: the last epoch to keep; -1 keeps none.
            warn: gets a sentence if the masks of `epoch` cannot be read; the next file is then a key frame.
        """
        for later in stored_epochs(self.masks_folder):
            if later > epoch:
                own_files.remove(epoch_path(self.masks_folder, later))
        self._previous = None
        if epoch in stored_epochs(self.masks_folder):
            try:
                self._previous = read_epoch(self.masks_folder, epoch)
            except UserError as error:
                warn(f"{error} Training goes on without the masks of epoch {epoch}.")

    def add_checkpoint(self, state: Checkpoint) -> None:
        """Queue a checkpoint to be written and published; all but the newest two are then removed."""
        self._writer.submit(lambda: self._write_checkpoint(state))

    def add_masks(self, masks: EpochMasks) -> None:
        """Queue the masks of an epoch to be written."""
        previous, self._previous = self._previous, masks
        self._writer.submit(lambda: write_epoch(self.masks_folder, masks, previous))

    def add_network(self, name: str, state: FinalState) -> None:
        """Queue a network to be written as `name`.safetensors."""
        path = self._folder / f"{name}.safetensors"
        self._writer.submit(lambda: own_files.write(path, final_state.to_bytes(state)))

    def remove_checkpoint_files(self) -> None:
        """Remove all checkpoint files of a finished run, whose entries the store no longer has."""
        folder = self._folder / "checkpoints"
        for name in own_files.names(folder):
            if name.endswith(".pt"):
                own_files.remove(folder / name)

    def remove_parts(self) -> None:
        """Remove the files that an earlier start, which was killed, had not written to their end."""
        for folder in (self._folder, self._folder / "checkpoints", self.masks_folder):
            for name in filter(own_files.is_part, own_files.names(folder)):
                own_files.remove(folder / name)

    def wait(self) -> None:
        """Block until everything queued is written; raises an error of the writing."""
        self._writer.wait()

    def close(self) -> None:
        """Write what waits, and end the thread; raises an error of the writing."""
        self._writer.close()

    def _write_checkpoint(self, state: Checkpoint) -> None:
        content = checkpoint.to_bytes(state)
        position = state.position
        path = self._folder / "checkpoints" / f"step-{position.step:09d}-epoch-{position.epoch:05d}.pt"
        own_files.write(path, content)
        relpath = self._workspace.relative(path)
        self._recorder.publish_checkpoint(
            position.step, position.epoch, relpath, checkpoint.checksum(content), "training"
        )
        self._prune(keep=KEPT_CHECKPOINTS)

    def _prune(self, keep: int) -> None:
        for old in stored_checkpoints(self._store, self._run_id)[keep:]:
            self._recorder.forget_checkpoint(old.relpath)
            if _is_checkpoint_of(self._run_id, old.relpath):
                own_files.remove(self._workspace.absolute(old.relpath))


def stored_checkpoints(store: Store, run_id: str) -> list[StoredCheckpoint]:
    """Find the published checkpoints of a run, newest first."""
    found = store.reader.checkpoints(run_id)
    return sorted(found, key=lambda entry: (entry.step, entry.epoch), reverse=True)


def _is_checkpoint_of(run_id: str, relpath: str) -> bool:
    """Whether a stored path, which anybody may have written, is that of a checkpoint of the run."""
    start, _, name = relpath.rpartition("/")
    return start == f"runs/{run_id}/checkpoints" and _CHECKPOINT.fullmatch(name) is not None


def load_checkpoint(
    workspace: Workspace, store: Store, run_id: str, warn: Callable[[str], None]
) -> Checkpoint | None:
    """Read the newest undamaged checkpoint of a run.

    Args:
        workspace: has the files.
        store: has the checkpoints' entries with their checksums.
        run_id: the run's id.
        warn: gets a sentence for each damaged checkpoint that is skipped.
    Returns:
        None if none was ever published: the run begins at step 0.
    Raises:
        UserError: there are checkpoints, but none can be read.
    """
    problems: list[UserError] = []
    for entry in stored_checkpoints(store, run_id):
        try:
            if not _is_checkpoint_of(run_id, entry.relpath):
                raise UserError(
                    f"The database names {entry.relpath!r} as a checkpoint of run {run_id}, which is none of "
                    "its files, so it was not opened."
                )
            found = checkpoint.read(workspace.absolute(entry.relpath), entry.sha256)
        except UserError as error:
            problems.append(error)
            continue
        for problem in problems:
            warn(f"{problem} Going on from the one before it, at step {entry.step}.")
        return found
    if problems:
        raise UserError(
            f"No checkpoint of run {run_id} can be read, so it cannot go on: {problems[0]} "
            f"Put the file back, or train anew from {workspace.run_dir(run_id) / 'config.yaml'}."
        )
    return None
