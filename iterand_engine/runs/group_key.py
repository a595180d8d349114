"""The group key, which is equal for runs of the same experiment. Torch-free.

Runs whose results should differ only by the seed share one key: the hash of data, model, method and
training without seed and name, with the dataset's content fingerprint in place of its path, the resolved
precision and the hashes of the extensions used. Device, threads, memory format, workers, determinism and
recording are not in it.

The key of a run never changes. So an option that is added later is hashed only where its value differs from
the one that it was born with (`options.option`), and a change of what a value MEANS is a tag in `BEHAVIOURS`,
which is hashed only for the runs that it can change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from iterand_engine.config.catalog import DATASETS, RULES
from iterand_engine.config.method_options import RuleChoice
from iterand_engine.config.options import is_neutral
from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.store.records import RunDetail

_NOT_COUNTED = ("name", "compute", "recording")


@dataclass(frozen=True)
class Behaviour:
    """A change of what the same options mean, e.g. of decoding, keyed draws, or which files count as data.

    Args:
        name: what changed, e.g. "decoding".
        number: 1 for the first change of it, then 2, 3, ...
        applies: says whether the change can affect the results of a run.
        changed: one sentence that says what is different since then.
    """

    name: str
    number: int
    applies: Callable[[RunConfig], bool]
    changed: str


def _reads_own_image_files(config: RunConfig) -> bool:
    """Whether images come from the user's own files; those of an extension may, as only reading it shows."""
    entry = DATASETS[config.data.dataset]
    return (entry.kind == "folder" and entry.fingerprint is None) or entry.origin is not None


# Every change of meaning since the first release, oldest first; entries are only ever added.
BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour(
        "image-files",
        1,
        _reads_own_image_files,
        "16 bits are scaled to 8, transparency is laid on white, the EXIF orientation is applied; hidden "
        "files and those of systems are no images.",
    ),
)


def behaviour_of(config: RunConfig) -> dict[str, int]:
    """Give the tags of a run made now: by name, the newest number of each change that applies to it."""
    return {one.name: one.number for one in BEHAVIOURS if one.applies(config)}


def changed_since(config: RunConfig, behaviour: Mapping[str, int]) -> list[Behaviour]:
    """The changes of meaning that came after a run was made and can change its results.

    Args:
        config: of the run.
        behaviour: its stored tags.
    """
    return [one for one in BEHAVIOURS if one.applies(config) and behaviour.get(one.name, 0) < one.number]


def refuse_changed(detail: RunDetail, config: RunConfig) -> list[str]:
    """Refuse to train a run on, or again, where its options mean something else by now.

    Whether an extension's dataset has image files shows only when it is read, so its runs go on, with a note.

    Returns:
        Notes for the user.
    Raises:
        UserError: the run would go on with other data than it was made for.
    """
    changes = changed_since(config, detail.behaviour)
    said = " ".join(one.changed for one in changes)
    if changes and DATASETS[config.data.dataset].origin is None:
        raise UserError(
            f"Run {detail.id} was made by version {detail.program_version}, and its data is read differently "
            f"since: {said} Train its configuration anew, or go on with that version."
        )
    return (
        [f"if the dataset has image files, they are read differently since then: {said}"] if changes else []
    )


def group_key(config: RunConfig, *, fingerprint: str, precision: str, extensions: Sequence[str] = ()) -> str:
    """Hash everything that a run's result depends on besides its seed, with the tags of a run made now.

    Args:
        config: the complete configuration.
        fingerprint: the hash of the dataset's content, or of the named set.
        precision: the resolved one: fp32, tf32 or bf16.
        extensions: hashes of the extensions that the run uses.
    Returns:
        32 hexadecimal digits. A released default never changes, so neither does a key (a test freezes some).
    """
    return key_of(
        _without_neutral(config, config.to_mapping()),
        fingerprint=fingerprint,
        precision=precision,
        extensions=extensions,
        behaviour=behaviour_of(config),
    )


def key_of(
    mapping: Mapping[str, Any],
    *,
    fingerprint: str,
    precision: str,
    extensions: Sequence[str] = (),
    behaviour: Mapping[str, int] | None = None,
) -> str:
    """As `group_key`, for a stored configuration, which may lack options that were added later.

    Args:
        mapping: the configuration as plain JSON values.
        fingerprint, precision, extensions: as for `group_key`.
        behaviour: the tags of the run.
    Raises:
        KeyError: the mapping is not complete.
    """
    counted = {name: value for name, value in mapping.items() if name not in _NOT_COUNTED}
    counted["training"] = _but(mapping["training"], "seed")
    counted["data"] = _but(mapping["data"], "path")
    counted |= {"fingerprint": fingerprint, "precision": precision, "extensions": sorted(extensions)}
    if behaviour:
        counted["behaviour"] = dict(behaviour)
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _but(section: Mapping[str, Any], name: str) -> dict[str, Any]:
    without = dict(section)
    del without[name]
    return without


def _without_neutral(options: BaseModel, dumped: Mapping[str, Any]) -> dict[str, Any]:
    """Give options as JSON values, without those that have the value that they were born with."""
    fields = type(options).model_fields
    kept = {
        name: _inner(getattr(options, name), value)
        for name, value in dumped.items()
        if not is_neutral(fields[name], value)
    }
    return {name: value for name, value in kept.items() if value != {}}  # a section that was added later


def _inner(value: object, dumped: Any) -> Any:
    if isinstance(value, RuleChoice):
        return _rule(value, dumped)
    if isinstance(value, BaseModel):
        return _without_neutral(value, dumped)
    if isinstance(value, tuple):
        return [_inner(one, each) for one, each in zip(value, dumped, strict=True)]
    return dumped


def _rule(choice: RuleChoice, dumped: Any) -> Any:
    """Give a redraw rule as it is hashed: its name alone where no argument is left."""
    arguments = RULES[choice.name].arguments if choice.name in RULES else ()
    born = {one.name: one.born for one in arguments if one.born is not None}
    if not born:
        return dumped
    kept = {name: value for name, value in choice.arguments.items() if born.get(name) != value}
    return {"name": choice.name, **kept} if kept else choice.name
