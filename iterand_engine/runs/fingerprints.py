"""Fills in the data's fingerprint of runs that were made before fingerprints were stored. Torch-free.

Their group keys contain it, so a hash of today's data can be proven: it is stored only where it gives the
run's own key. If the data is gone, the fingerprint stays unknown until data with that content is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from iterand_engine.config.run_config import DataConfig, data_options_class
from iterand_engine.errors import UserError
from iterand_engine.runs.group_key import key_of
from iterand_engine.store import Store, identities
from iterand_engine.store.identities import Identity


def fill_fingerprints(store: Store, roots: Sequence[Path]) -> None:
    """Read the data of all runs that lack a fingerprint; called after an upgrade.

    Args:
        store: open for writing. Datasets of extensions that are not in the catalogs now are skipped.
        roots: data roots, the workspace's data folder last.
    """
    lacking = identities.without_fingerprint(store)
    wanted = {_data_of(one): one for one in lacking}
    for one in wanted.values():
        for fingerprint in _seen_now(one, roots):
            same = [other for other in lacking if other.dataset == one.dataset]
            identities.put_fingerprints(store, _proven(same, fingerprint), fingerprint)


def note_fingerprint(store: Store, dataset: str, fingerprint: str) -> None:
    """Store the fingerprint of data that was just read in those of its runs that lack one.

    Args:
        store: open for writing.
        dataset: the dataset's name.
        fingerprint: the hash of its content.
    """
    lacking = identities.without_fingerprint(store, dataset)
    identities.put_fingerprints(store, _proven(lacking, fingerprint), fingerprint)


def refuse_other_data(store: Store, run_id: str, data: DataConfig, fingerprint: str) -> None:
    """Refuse to train a run on data that is not what it was made for; one without a fingerprint goes on.

    Args:
        store: the run's.
        run_id: which run.
        data: its options.
        fingerprint: of the data that was just opened for it.
    Raises:
        UserError: the run was made for other data.
    """
    made_for = store.reader.run(run_id).fingerprint
    if made_for not in (None, fingerprint):
        named = f"data.path {data.path!r}" if data.path else f"the dataset {data.dataset}"
        raise UserError(
            f"Run {run_id} was made for other data than {named} has now (fingerprint {made_for}, now "
            f"{fingerprint}): put the data back that it was made for, or train its configuration anew."
        )


def _data_of(one: Identity) -> str:
    return repr(one.config.get("data"))


def _seen_now(one: Identity, roots: Sequence[Path]) -> Iterator[str]:
    """Yield the fingerprint of a run's data as it is now; nothing if that cannot be read."""
    # Imported here: numpy and the readers take long to import, and only upgraded workspaces need them.
    from iterand_engine.data.fingerprint import dataset_fingerprint

    try:
        data = data_options_class(one.dataset).model_validate(one.config["data"])
        yield dataset_fingerprint(data, roots)
    except (UserError, ValidationError, OSError, KeyError):
        return


def _proven(lacking: Iterable[Identity], fingerprint: str) -> list[str]:
    return [one.run_id for one in lacking if _is_proven(one, fingerprint)]


def _is_proven(one: Identity, fingerprint: str) -> bool:
    try:
        key = key_of(
            one.config,
            fingerprint=fingerprint,
            precision=one.precision,
            extensions=one.extensions,
            behaviour=one.behaviour,
        )
    except KeyError:
        return False
    return key == one.group_key
