"""A window whose workspace has settings that cannot be read opens, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from iterand_engine.errors import UserError
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.slots import drain
from iterand_gui.session.session import Session
from iterand_gui.widgets.messages import Message
from tests.gui.ending import put_away


@pytest.mark.parametrize("content", [b"cpu_share: 2020-13-99", "on_end: Grüße".encode("latin-1"), None])
def test_that_a_window_opens_over_spoilt_settings_and_nothing_executes(
    content: bytes | None, workspace_dir: Path, qtbot: QtBot
) -> None:
    workspace = open_workspace_dir(workspace_dir)
    if content is None:
        workspace.settings_path.mkdir()
    else:
        workspace.settings_path.write_bytes(content)
    session = Session(workspace)
    said: list[Message] = []
    session.messages.said.connect(said.append)
    session.start()
    try:
        assert [(one.level, one.text.count("\n")) for one in said] == [("error", 0)]
        assert session.settings.test_lock
        with pytest.raises(UserError) as refused:
            drain.start_missing(workspace, session.store)
        assert str(refused.value) == said[0].text
    finally:
        session.close()
        put_away(session)
