"""What the tests of the judge share: its processes, where a test is not about these."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.evaluator.kept import kept


@pytest.fixture(scope="session", autouse=True)
def kept_processes() -> Iterator[None]:
    """Judges that are made with `executor=KEPT` share their processes with the next."""
    with kept():
        yield
