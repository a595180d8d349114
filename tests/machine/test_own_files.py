"""The program's own files: links are never followed, pipes and devices never opened, by every operation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from iterand_engine.errors import UserError
from iterand_engine.machine import own_files

TEXT = b"a user's own"
IN_A_FILE: dict[str, Callable[[Path], object]] = {
    "open_to_read": lambda path: own_files.open_to_read(path).close(),
    "open_to_append": lambda path: own_files.open_to_append(path).close(),
    "read": own_files.read,
    "refuse_link": own_files.refuse_link,
}
BELOW_A_FOLDER: dict[str, Callable[[Path], object]] = {
    **IN_A_FILE,
    "write": lambda path: own_files.write(path, b"x"),
    "remove": own_files.remove,
    "remove_tree": own_files.remove_tree,
    "make_folder": lambda path: own_files.make_folder(path.parent / "made"),
    "names": lambda path: own_files.names(path.parent),
}


@pytest.fixture
def sentinel(tmp_path: Path) -> Path:
    """A user's folder outside the workspace with one file."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file.pt").write_bytes(TEXT)
    return folder


def untouched(sentinel: Path) -> bool:
    return [(path.name, path.read_bytes()) for path in sentinel.iterdir()] == [("file.pt", TEXT)]


@pytest.mark.parametrize("name", IN_A_FILE)
def test_that_a_link_in_the_place_of_a_file_is_refused(name: str, tmp_path: Path, sentinel: Path) -> None:
    link = tmp_path / "link.pt"
    link.symlink_to(sentinel / "file.pt")
    with pytest.raises(UserError, match=r"'.*link\.pt' is a link to '.*file\.pt', .*: remove the link, or"):
        IN_A_FILE[name](link)
    assert untouched(sentinel)


@pytest.mark.parametrize("deeper", ["", "deeper"])
@pytest.mark.parametrize("name", BELOW_A_FOLDER)
def test_that_a_link_on_the_way_is_refused(name: str, deeper: str, tmp_path: Path, sentinel: Path) -> None:
    (tmp_path / "link").symlink_to(sentinel, target_is_directory=True)
    with pytest.raises(UserError, match=r"/link' is a link to '.*outside', which is not followed"):
        BELOW_A_FOLDER[name](tmp_path / "link" / deeper / "file.pt")
    assert untouched(sentinel)


@pytest.mark.parametrize("name", ["open_to_read", "open_to_append", "read"])
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_that_no_pipe_and_no_folder_is_opened(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    if kind == "pipe":
        os.mkfifo(path)  # a plain open would wait for ever
    else:
        path.mkdir()
    with pytest.raises((UserError, IsADirectoryError), match=r"is no regular file|Is a directory"):
        IN_A_FILE[name](path)


def test_that_links_are_replaced_and_removed_as_links(tmp_path: Path, sentinel: Path) -> None:
    for name in ("written", "removed", "tree"):
        (tmp_path / name).symlink_to(sentinel if name == "tree" else sentinel / "file.pt")
    own_files.write(tmp_path / "written", b"mine")
    own_files.remove(tmp_path / "removed")
    own_files.remove_tree(tmp_path / "tree")
    assert own_files.names(tmp_path) == ["outside", "written"]
    assert own_files.read(tmp_path / "written") == b"mine"
    assert untouched(sentinel)


def test_that_a_tree_is_removed_and_links_in_it_as_links(tmp_path: Path, sentinel: Path) -> None:
    own_files.make_folder(tmp_path / "tree" / "deep")
    (tmp_path / "tree" / "deep" / "link").symlink_to(sentinel, target_is_directory=True)
    own_files.remove_tree(tmp_path / "tree")
    own_files.remove_tree(tmp_path / "tree")  # nothing is there any more
    assert own_files.names(tmp_path) == ["outside"]
    assert untouched(sentinel)
