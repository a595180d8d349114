"""How a run ended is stored as a value, whatever ended it, and the advice goes by that."""

from __future__ import annotations

from pathlib import Path

import pytest

from iterand_engine.cli.next_steps import next_step
from iterand_engine.errors import UserError, concerning
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.runs.adopt import adopted
from iterand_engine.store import EndKind, RunDetail, RunState, Store, queue
from iterand_engine.store.runs import claim_run
from tests.store.make_released_workspace import KINDS, Maker, add_all


@pytest.fixture
def workspace(workspace_dir: Path) -> Workspace:
    return open_workspace_dir(workspace_dir)


def advice(run: RunDetail) -> str:
    said = next_step(run, None, Path("c.yaml"))
    assert said is not None
    return said


def test_that_every_way_to_end_is_stored_as_a_value(workspace: Workspace) -> None:
    with Store.open(workspace) as store:
        add_all(Maker(workspace, store))
        rows = {row.name: row for row in store.reader.runs()}
        assert {name: row.end_kind for name, row in rows.items()} == KINDS
        runs = {name: store.reader.run(row.id) for name, row in rows.items()}
        assert advice(runs["memory"]).startswith("`iterand queue c.yaml --set training.batch_size=6` trains")
        assert advice(runs["extension"]).startswith(
            "repair mine.py and enable it, then `iterand queue c.yaml`"
        )
        for name in ("code gone", "defect", "data gone"):
            assert advice(runs[name]).startswith("repair the cause, then `iterand queue --resume"), name

        queue.enqueue(store, [runs["memory"].id])
        again = store.reader.run(runs["memory"].id)
        assert (again.state, again.end_kind, again.reason) == (RunState.QUEUED, None, None)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(UserError("x"), "other"), (SystemExit(3), "program"), (KeyboardInterrupt(), "stopped")],
)
def test_that_what_ends_a_process_is_stored_too(
    workspace: Workspace, error: BaseException, kind: EndKind
) -> None:
    with Store.open(workspace) as store:
        run_id = Maker(workspace, store).made("run")
        with pytest.raises(BaseException), adopted(store, run_id, claim_run(store, run_id)):  # noqa: B017, PT011
            raise error
        assert store.reader.run(run_id).end_kind == kind


def test_that_the_innermost_concern_of_an_error_stays() -> None:
    with pytest.raises(UserError) as caught, concerning("data"), concerning("extension"):
        raise UserError("x")
    assert caught.value.concern == "extension"
