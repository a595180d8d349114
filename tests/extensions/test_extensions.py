"""Enabling extensions: by hash, by this user, in this workspace; what is not enabled stays out."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import platformdirs
import pytest

from iterand_engine.config import catalog
from iterand_engine.config.catalog import MODELS, extension_entries, find
from iterand_engine.config.extension_code import permitted, sha256_of
from iterand_engine.errors import UserError
from iterand_engine.extensions import files
from iterand_engine.extensions.active import activate, activated, allowed
from iterand_engine.extensions.files import Description, FileState, disable, enable, extension_files
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from tests.command_line import iterand
from tests.extension_code import DATA, METHOD, NET, RULE, enable_here, trusted, workspace_with, write

pytestmark = pytest.mark.usefixtures("no_entries_left")

LINEAR = """
from torch import nn
from iterand_engine.extending import model
@model
def {name}(width_factor, spec):
    return nn.Sequential(nn.Flatten(), nn.Linear(spec.channels * spec.height * spec.width, spec.classes))
"""
NAMES_FILE = "An extension that is not enabled may declare it: mine.py."


def states(workspace: Workspace) -> dict[str, str]:
    return {file.file: file.state.value for file in extension_files(workspace)}


def test_that_a_file_goes_through_its_states(workspace: Workspace) -> None:
    path = write(workspace, "mine.py", RULE)
    assert states(workspace) == {"mine.py": "disabled"}
    enabled = enable_here(workspace, "mine.py")
    assert [one.name for one in enabled.declarations] == ["mine"]
    assert states(workspace) == {"mine.py": "enabled"}
    path.write_text(RULE + "# looks harmless\n")
    assert states(workspace) == {"mine.py": "changed"}
    path.write_text(RULE)
    assert states(workspace) == {"mine.py": "enabled"}
    path.write_text("def (")
    (broken,) = extension_files(workspace)
    assert (broken.state, broken.reason) == (FileState.BROKEN, "extensions/mine.py, line 1: invalid syntax.")
    path.unlink()
    assert states(workspace) == {"mine.py": "missing"}
    assert disable(workspace, "mine") == "mine.py"
    assert states(workspace) == {}
    path.write_text(RULE)
    assert states(workspace) == {"mine.py": "disabled"}


def test_that_what_replaces_a_file_while_it_is_being_enabled_is_not_run(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(workspace, "mine.py", RULE)
    mark, real = tmp_path / "executed", files.describe

    def replaced(path: Path, sha256: str) -> Description:
        path.write_text(f"{RULE}\nopen({str(mark)!r}, 'w')\n")
        return real(path, sha256)

    monkeypatch.setattr(files, "describe", replaced)
    looked_at = sha256_of(path.read_bytes())
    with pytest.raises(UserError, match=r"mine\.py changed while it was being enabled, and was not run"):
        enable(workspace, "mine.py", looked_at)
    assert not mark.exists()
    assert states(workspace) == {"mine.py": "disabled"}


def test_that_a_name_is_known_only_while_its_file_is_enabled(workspace: Workspace) -> None:
    def refusal() -> str:
        with activated(workspace), pytest.raises(UserError) as caught:
            find("redraw rule", catalog.RULES, "mine")
        return str(caught.value)

    path = write(workspace, "mine.py", RULE)
    assert refusal().endswith(NAMES_FILE)
    enable_here(workspace, "mine.py")
    with activated(workspace) as notes:
        assert find("redraw rule", catalog.RULES, "mine").label == "Mine"
        assert notes == []
    again = "look at it and run `iterand extensions enable mine.py`."
    path.write_text(RULE + "#")
    assert refusal() == (
        "There is no redraw rule 'mine' now: extensions/mine.py declares it, and changed since it was "
        f"enabled; {again}"
    )
    with activated(workspace) as notes:
        assert notes == [f"mine: extensions/mine.py declares it, and changed since it was enabled; {again}"]
    path.unlink()
    assert "extensions/mine.py declared it, and is gone; put it back." in refusal()
    disable(workspace, "mine.py")
    path.write_text(RULE)
    assert f"extensions/mine.py declares it, and is not enabled; {again}" in refusal()
    with activated(workspace) as notes:
        assert notes == []


def test_that_a_copied_workspace_enables_nothing(workspace: Workspace, tmp_path: Path) -> None:
    trusted(workspace, "mine.py", RULE)
    shutil.copytree(workspace.root, tmp_path / "copy")
    copy = open_workspace_dir(tmp_path / "copy")
    assert states(copy) == {"mine.py": "disabled"}
    with activated(copy):
        assert extension_entries() == ()
    # whatever lies in the workspace, even the record itself
    (record,) = (tmp_path / "config").rglob("*.json")
    for folder in (copy.root, copy.extensions_dir):
        shutil.copy(record, folder / record.name)
    assert states(copy) == {"mine.py": "disabled"}


def test_that_a_record_of_another_workspace_counts_for_nothing(workspace: Workspace, tmp_path: Path) -> None:
    trusted(workspace, "mine.py", RULE)
    other = open_workspace_dir(tmp_path / "other")
    write(other, "mine.py", RULE)
    (record,) = (tmp_path / "config").rglob("*.json")
    trusted(other, "else.py", DATA)
    (theirs,) = set((tmp_path / "config").rglob("*.json")) - {record}
    theirs.write_bytes(record.read_bytes())
    assert states(other) == {"else.py": "disabled", "mine.py": "disabled"}


def test_that_a_link_to_a_workspace_is_the_same_workspace(workspace: Workspace, tmp_path: Path) -> None:
    trusted(workspace, "mine.py", RULE)
    (tmp_path / "link").symlink_to(workspace.root)
    assert states(open_workspace_dir(tmp_path / "link")) == {"mine.py": "enabled"}


def test_that_a_damaged_record_enables_nothing_and_stops_no_command(
    workspace: Workspace, tmp_path: Path
) -> None:
    trusted(workspace, "mine.py", RULE)
    (record,) = (tmp_path / "config").rglob("*.json")
    record.write_text('{"workspace": 3')
    with activated(workspace) as notes:
        assert extension_entries() == ()
        assert notes[0].endswith("(it is damaged): delete it, and enable your files again.")
    assert iterand("runs", "--workspace", workspace.root).code == 0
    assert "it is damaged" in iterand("extensions", "list", "--workspace", workspace.root).err


def test_that_the_record_lies_with_the_users_settings_and_holds_no_code(workspace: Workspace) -> None:
    trusted(workspace, "mine.py", RULE)
    folder = platformdirs.user_config_path("iterand", appauthor=False)
    (record,) = folder.rglob("*.json")
    content = json.loads(record.read_text())
    assert content["workspace"] == str(workspace.root)
    assert list(content["files"]) == ["mine.py"]
    assert "chance" not in record.read_text()


def test_that_workspaces_do_not_leak_into_each_other(workspace: Workspace, tmp_path: Path) -> None:
    trusted(workspace, "mine.py", LINEAR.format(name="first"))
    other = workspace_with(tmp_path / "other", mine=LINEAR.format(name="second"))
    built_in = list(MODELS)
    activate(workspace)
    assert list(MODELS) == [*built_in, "first"]
    activate(other)
    assert list(MODELS) == [*built_in, "second"]
    with activated(workspace):
        assert list(MODELS) == [*built_in, "first"]
    assert list(MODELS) == [*built_in, "second"]
    activate(open_workspace_dir(tmp_path / "third"))
    assert list(MODELS) == built_in


def test_that_commands_and_the_python_door_leave_nothing_active(workspace: Workspace) -> None:
    from iterand_engine import open_workspace

    trusted(workspace, "net.py", NET)
    assert iterand("runs", "depth>1", "--workspace", workspace.root).code == 0
    assert extension_entries() == ()
    with open_workspace(workspace.root) as ws:
        assert ws.runs("depth>1") == []
        assert extension_entries() == ()
    other = open_workspace_dir(workspace.root.parent / "x")
    assert "no field 'depth'" in iterand("runs", "depth>1", "--workspace", other.root).err


def test_that_two_files_cannot_declare_one_name(workspace: Workspace) -> None:
    trusted(workspace, "a.py", LINEAR.format(name="net"))
    write(workspace, "b.py", "\n" + LINEAR.format(name="net"))
    with pytest.raises(UserError) as caught:
        enable_here(workspace, "b.py")
    assert str(caught.value) == (
        "extensions/b.py, line 5: there is a model 'net' already (of extensions/a.py); give this one another "
        'name, e.g. by name="my-net" in its decorator.'
    )
    # enabled while a.py is off; then a.py comes back as it was
    text = (workspace.extensions_dir / "a.py").read_text()
    write(workspace, "a.py", text + "#")
    enable_here(workspace, "b.py")
    write(workspace, "a.py", text)
    with activated(workspace) as notes:
        assert [str(entry.origin) for entry in extension_entries()] == ["extensions/a.py, line 4"]
        assert "of extensions/a.py" in notes[0]
    assert states(workspace) == {"a.py": "enabled", "b.py": "broken"}


def test_that_a_built_in_name_cannot_be_taken(workspace: Workspace) -> None:
    write(workspace, "mine.py", LINEAR.format(name="conv4"))
    with pytest.raises(UserError, match=r"line 4: there is a model 'conv4' already \(built in\); give this"):
        enable_here(workspace, "mine.py")
    assert states(workspace) == {"mine.py": "disabled"}


def test_that_a_name_which_becomes_built_in_is_reported(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted(workspace, "mine.py", LINEAR.format(name="next"))
    monkeypatch.setitem(MODELS, "next", catalog.Entry("next", "Next", "x:y"))  # an upgrade brought it
    (file,) = extension_files(workspace)
    assert file.state is FileState.BROKEN
    with activated(workspace) as notes:
        assert MODELS["next"].origin is None
        assert "there is a model 'next' already (built in)" in notes[0]
    assert MODELS["next"].label == "Next"


def test_that_what_is_enabled_is_what_was_run(workspace: Workspace) -> None:
    """A file that writes itself anew while it is run is not enabled as it is then."""
    text = f"from pathlib import Path\nPath(__file__).write_text('changed')\n{RULE}"
    trusted(workspace, "mine.py", text)
    assert states(workspace)["mine.py"] == "changed"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import os\nos._exit(0)",
            "ended the process that ran it (exit code 0); an extension file only declares",
        ),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
            "ended the process that ran it (exit code -9)",
        ),
        ("print('x' * 100000)\nx = 1 / 0", "line 2: ZeroDivisionError: division by zero."),
        ("while True: pass", "did not finish within 1 s; an extension file only declares"),
    ],
)
def test_that_a_file_that_does_its_worst_when_it_is_enabled_harms_nothing(
    text: str, said: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "while" in text:
        monkeypatch.setattr("iterand_engine.extensions.files.DESCRIBE_S", 1)
    write(workspace, "mine.py", text)
    with pytest.raises(UserError, match=r"extensions/mine\.py") as caught:
        enable(workspace, "mine.py")
    assert said in str(caught.value)
    assert states(workspace) == {"mine.py": "disabled"}


def test_that_only_a_process_that_may_can_load_extension_code(workspace: Workspace, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    note = f"with open({str(marker)!r}, 'a') as marker: marker.write('x')"
    write(workspace, "mine.py", f"{note}\n{RULE}")
    enable(workspace, "mine.py")
    ran = marker.read_text()  # once, in the child that described it
    assert ran == "x"
    with activated(workspace):
        entry = find("redraw rule", catalog.RULES, "mine")
        with pytest.raises(RuntimeError, match="an extension must not run in this process"):
            entry.load()
        assert entry.origin is not None
        with permitted(["0" * 64]), pytest.raises(RuntimeError, match="must not run"):
            entry.load()
        assert marker.read_text() == ran
    with allowed(workspace):
        assert find("redraw rule", catalog.RULES, "mine").load().__name__ == "mine"
    assert marker.read_text() == "xx"


def test_that_a_file_that_changes_after_activation_is_not_run(workspace: Workspace, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    trusted(workspace, "mine.py", RULE)
    with allowed(workspace):
        write(workspace, "mine.py", f"{RULE}\nopen({str(marker)!r}, 'w').close()")
        with pytest.raises(UserError, match=r"changed since it was enabled; look at it and run"):
            find("redraw rule", catalog.RULES, "mine").load()
    assert not marker.exists()


def test_that_files_are_named_by_name_or_path(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(workspace, "mine.py", RULE)
    monkeypatch.chdir(workspace.root)
    for text in ("mine", "mine.py", "extensions/mine.py", str(path)):
        assert enable_here(workspace, text).file == "mine.py"
    outside = workspace.root / "mine.py"
    outside.write_text(RULE)
    with pytest.raises(UserError, match="is not in this workspace: put the file into"):
        enable(workspace, str(outside))
    with pytest.raises(UserError, match=r"There is no mien\.py in .*; did you mean 'mine\.py'\?"):
        enable(workspace, "mien")
    with pytest.raises(UserError, match=r"other\.py is not enabled \(enabled: mine\.py\)"):
        disable(workspace, "other")


def test_that_odd_names_are_refused_and_helpers_are_passed_over(workspace: Workspace) -> None:
    for name in ("_helper.py", ".hidden.py", "notes.txt"):
        write(workspace, name, RULE)
    write(workspace, "my file.py", RULE)
    (file,) = extension_files(workspace)
    assert file.state is FileState.BROKEN
    assert "rename it" in file.reason


def test_that_commands_enable_list_and_disable(workspace: Workspace) -> None:
    place = ("--workspace", workspace.root)
    assert "No extensions in" in iterand("extensions", "list", *place).out
    for name, text in {"net.py": NET, "method.py": METHOD, "bad.py": "x = ("}.items():
        write(workspace, name, text)
    done = iterand("extensions", "enable", "net.py", *place)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(
        "Enabled net.py:\n  model tiny  model.depth=1 (a whole number, 1 <= value <= 4; hidden layers), "
        "model.slope=1.0 (a number), model.gate=False (true | false), model.shape=flat (flat | round)"
    )
    listed = iterand("extensions", "list", *place).out
    assert [line.split()[:2] for line in listed.splitlines()[1:] if line.split()[0].endswith(".py")] == [
        ["bad.py", "broken:"],
        ["method.py", "disabled"],
        ["net.py", "enabled"],
    ]
    assert iterand("extensions", "disable", "net", *place).out.startswith("Disabled net.py;")
    again = iterand("extensions", "disable", "net", *place)
    assert (again.code, again.err) == (2, "net.py is not enabled, so new runs do not use it.\n")


def test_that_a_config_folder_that_cannot_be_written_is_reported(
    workspace: Workspace, tmp_path: Path
) -> None:
    write(workspace, "mine.py", RULE)
    (tmp_path / "config").write_text("a file")
    with pytest.raises(UserError, match="which says which extensions are enabled"):
        enable_here(workspace, "mine.py")


def test_that_describing_needs_no_gpu_and_no_folder_and_that_prints_disturb_nothing(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('a file beside it was taken for torch')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    check = "import os\nassert os.environ['CUDA_VISIBLE_DEVICES'] == ''\nimport torch\n"
    write(workspace, "mine.py", f"{check}print('{{}}')\nos.write(1, b'{{}}')\n{RULE}")
    enable(workspace, "mine.py")
    assert states(workspace) == {"mine.py": "enabled"}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
