"""What tests of extensions share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iterand_engine.config.catalog import extension_entries
from iterand_engine.extensions.active import deactivate


@pytest.fixture
def no_entries_left() -> Iterator[None]:
    """Fail a test that leaves entries of extensions in the catalogs."""
    yield
    left = extension_entries()
    deactivate()
    assert not left
