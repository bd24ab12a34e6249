"""The best attempt read without the others: the same as from an open archive, or none if anything is damaged."""

from __future__ import annotations

from pathlib import Path

from harness.archive.glance import best
from tests.harness.archive.archives import CONFIG, family, git, new


def test_a_glance_gives_what_an_open_archive_gives(tmp_path: Path) -> None:
    with new(tmp_path / "run") as archive:
        assert best(archive.path) is None, "nothing was judged yet"
        entries = family(archive)
        archive.point(entries[3], [])
        found = best(archive.path)
        assert found is not None and found.entry == archive.entry("best") == entries[3]
        assert found.source == archive.source(entries[3].id) and found.config == CONFIG


def test_a_glance_is_none_if_something_is_damaged(tmp_path: Path) -> None:
    with new(tmp_path / "run") as archive:
        entries = family(archive)
        archive.point(entries[3], [])
    run = tmp_path / "run"
    (run / "refs/heads/best").write_text("torn")
    assert best(run) is None
    someone = ("-c", "user.name=x", "-c", "user.email=x")
    made = git(run, *someone, "commit-tree", "-m", "x", f"{entries[3].id}^{{tree}}").strip()
    (run / "refs/heads/best").write_text(f"{made}\n")
    assert best(run) is None, "no ref of an attempt names that commit"
    git(run, "update-ref", "refs/heads/best", entries[1].id)
    blob = git(run, "rev-parse", f"{entries[1].id}:program.py").strip()
    (run / "objects" / blob[:2] / blob[2:]).unlink()
    assert best(run) is None
