"""The fields that runs can be filtered by: their columns and every option of their configurations.

The options come from the catalog and the options classes, so that a new one is a field at once. Test accuracy
is no field on purpose: a filter would reveal it in spite of the test lock. Torch-free; see docs/filters.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Literal, get_args, get_origin

from iterand_engine.errors import UserError, suggestion

if TYPE_CHECKING:
    from iterand_engine.config.options import Options
    from iterand_engine.store import RunRow

AGE = "age_s"
ALIASES = {"width": "width_factor", "tag": "tags"}
_HIDDEN = ("test_accuracy", "test_acc")


class FieldKind(Enum):
    """How the values of a field compare."""

    NUMBER = auto()
    TEXT = auto()
    EITHER = auto()  # a number or a word such as auto; for an option of an extension, any value
    TRUTH = auto()
    STATE = auto()
    ID = auto()  # text; the beginning of a value is enough


@dataclass(frozen=True)
class Field:
    """One field: a column of a run, or with `path` an option of its configuration.

    `attribute` is the name of the row's attribute, if that is not `key`.
    """

    key: str
    kind: FieldKind
    path: tuple[str, ...] = ()
    attribute: str = ""

    def read(self, row: RunRow, config: Mapping[str, object], now: float) -> object:
        """Read the value of a run; None if it has none.

        Args:
            row: the run.
            config: its configuration as stored.
            now: seconds since 1970, for its age.
        """
        if not self.path:
            return now - row.created_at if self.key == AGE else getattr(row, self.attribute or self.key)
        value: object = config
        for part in self.path:
            if type(value) is not dict and not isinstance(value, Mapping):  # the first test is far cheaper
                return None
            value = value.get(part)
        return value


def _columns(kind: FieldKind, *names: str) -> dict[str, Field]:
    return {name: Field(name, kind) for name in names}


COLUMNS: Mapping[str, Field] = {
    **_columns(FieldKind.ID, "id"),
    **_columns(FieldKind.TEXT, "name"),
    **_columns(FieldKind.STATE, "state"),
    **_columns(FieldKind.TEXT, "dataset", "model", "method", "precision", "device_kind"),
    **_columns(FieldKind.NUMBER, "width_factor", "seed", "step", "epoch", "total_steps"),
    "val_accuracy": Field("val_accuracy", FieldKind.NUMBER, attribute="accuracy_so_far"),
    **_columns(FieldKind.NUMBER, AGE, "elapsed_s", "created_at", "started_at", "ended_at"),
    **_columns(FieldKind.TEXT, "program_version", "reason", "tags"),
    **_columns(FieldKind.ID, "group_key", "git_commit", "final_digest"),
}


def option_fields() -> dict[str, Field]:
    """Make the fields of every option by dotted key; not cached, because extensions add options."""
    # Imported here: a list of all runs needs no catalogs, and their import would double its time.
    from iterand_engine.config.catalog import DATASETS, METHODS, MODELS, RULES
    from iterand_engine.config.method_options import rule_options_class
    from iterand_engine.config.options import describe
    from iterand_engine.config.run_config import (
        RunConfig,
        data_options_class,
        method_options_class,
        model_options_class,
    )

    types: dict[str, set[object]] = {}
    sections: list[tuple[type[Options], str]] = [
        (RunConfig, ""),
        *((method_options_class(name), "method.") for name in METHODS),
        *((model_options_class(name), "model.") for name, entry in MODELS.items() if entry.arguments),
        *((data_options_class(name), "data.") for name, entry in DATASETS.items() if entry.arguments),
        *((rule_options_class(name), "method.rule.") for name, entry in RULES.items() if entry.arguments),
    ]
    for options, prefix in sections:
        for info in describe(options, prefix):
            types.setdefault(info.path, set()).update(_types(info.annotation))
    return {key: Field(key, _kind(found), tuple(key.split("."))) for key, found in types.items()}


def find_field(name: str) -> Field:
    """Find the field that the user names.

    Args:
        name: the full key of an option, a column of a run, or the last part (or parts) of an option's key, in
            this order of precedence; upper and lower case are the same.
    Raises:
        UserError: there is no such field, or the name fits several options.
    """
    return _choose(name, option_fields())


def _choose(name: str, options: Mapping[str, Field]) -> Field:
    wanted = name.lower()
    wanted = ALIASES.get(wanted, wanted)
    ending = [field for key, field in options.items() if f".{key.lower()}".endswith(f".{wanted}")]
    whole = next((field for field in ending if field.key.lower() == wanted and "." in wanted), None)
    found = whole or COLUMNS.get(wanted) or (ending[0] if len(ending) == 1 else None)
    if found is not None:
        return found
    if ending:
        keys = " or ".join(field.key for field in ending)
        raise UserError(f"The field {name!r} may be {keys}: write one of these.")
    raise UserError(_unknown(wanted, options))


def _unknown(name: str, options: Iterable[str]) -> str:
    if name in _HIDDEN:
        return (
            f"{name} is no field, because a filter would show test results past the lock: use val_accuracy."
        )
    from iterand_engine.config.catalog import extensions_that_are_off

    off = ", ".join(extensions_that_are_off())
    hint = (
        f" An extension that is not enabled may have it ({off}): see `iterand extensions list`."
        if off
        else ""
    )
    known = {*COLUMNS, *ALIASES, *options, *(key.rpartition(".")[2] for key in options)}
    return (
        f"There is no field {name!r}{suggestion(name, sorted(known))} (fields are a run's columns and the"
        " options of its configuration, see docs/filters.md; put the word in quotes to look for it in names)."
        f"{hint}"
    )


def _types(annotation: object) -> set[object]:
    """Collect the plain types in an option's annotation, with those of a list's elements."""
    if get_origin(annotation) is Literal:
        return {type(value) for value in get_args(annotation)}
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        parts = parts[:1]
    if not parts:
        return {annotation}
    return {kind for part in parts if part is not ... for kind in _types(part)}


def _kind(types: set[object]) -> FieldKind:
    plain = types - {NoneType}
    if plain <= {int, float}:
        return FieldKind.NUMBER
    if plain == {bool}:
        return FieldKind.TRUTH
    return FieldKind.EITHER if plain & {int, float} else FieldKind.TEXT
