"""What the tests of the judge share: its processes, where a test is not about these."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def with_kept_processes(kept_processes: None) -> None:
    """Judges that are made with `executor=KEPT` share their processes with the next."""
