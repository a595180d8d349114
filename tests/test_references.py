"""What files of the project refer to: nothing outside the project, and only pages that exist."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.paths import ROOT

# Written in parts, so that this file does not contain what it looks for.
FOREIGN = re.compile(
    r"(?<![\w.~}-])/(?:"
    + "|".join(("work", "root", r"home/\w+", "tmp/n"))
    + r")/|"
    + "|".join("py" + host for host in (r"pi\.org", r"thonhosted\.org", r"torch\.org/whl"))
)
TEXT_SUFFIXES = {"", ".py", ".md", ".toml", ".yaml", ".yml", ".cfg", ".ini", ".txt", ".sh", ".mako"}


@cache
def own_texts() -> dict[Path, str]:
    """The project's text files, without environments, caches and build results."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return {p: p.read_text(encoding="utf-8") for p in paths if p.is_file() and p.suffix in TEXT_SUFFIXES}


def test_that_no_file_names_a_place_outside_the_project() -> None:
    for path, text in own_texts().items():
        found = FOREIGN.search(text)
        assert not found, f"{path} names {found and found[0]!r}"


def test_that_pages_named_in_code_and_documents_exist() -> None:
    for path, text in own_texts().items():
        for page in re.findall(r"(?<![\w/])docs/[\w-]+\.md", text):
            assert (ROOT / page).exists(), f"{path} refers to {page}, which does not exist"


def test_that_links_between_documents_lead_somewhere() -> None:
    for path, text in own_texts().items():
        if path.suffix == ".md":
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
                if not re.match(r"\w+:", target):
                    assert (path.parent / target).exists(), f"{path} links to {target}, which does not exist"
