"""docs/configuration.md is what the options make of it, and shows every one."""

from __future__ import annotations

from typing import Any

from iterand_engine.cli.option_docs import configuration_page
from iterand_engine.config.catalog import METHODS
from iterand_engine.config.run_config import RunConfig
from tests.paths import ROOT

DEFAULTS = RunConfig().to_mapping()


def test_that_the_page_about_the_options_is_current() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == configuration_page(), (
        "run `python -m iterand_engine.cli.option_docs docs/configuration.md`"
    )


def test_that_the_page_shows_every_option_with_help() -> None:
    lines = configuration_page().splitlines()

    def leaves(mapping: dict[str, Any], prefix: str = "") -> list[str]:
        return [
            path
            for key, value in mapping.items()
            for path in (leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key])
        ]

    for path in leaves(DEFAULTS):
        rows = [line for line in lines if line.startswith(f"| `{path}` |")]
        assert rows, path
        for row in rows:
            cells = [cell.strip() for cell in row.strip("|").split(" | ")]
            assert all(cells[:1] + cells[-1:]), row
    for name in METHODS:
        assert f"### `name: {name}`" in lines
