"""Files that commands write: whole, or not at all, and over others only with --force."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.console import UserError
from harness.cli.new_files import new_file, write_whole


def test_a_file_is_replaced_with_force_alone(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    write_whole(file, b"first", force=False)
    for force, instead in ((False, "replace it with --force"), (None, "delete it")):
        with pytest.raises(UserError, match=f"found that it exists: name another or {instead}"):
            write_whole(file, b"second", force=force)
    assert file.read_bytes() == b"first"
    write_whole(file, b"second", force=True)
    assert file.read_bytes() == b"second" and list(tmp_path.iterdir()) == [file]


def test_what_was_there_stays_if_writing_fails(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text("first")
    with pytest.raises(RuntimeError), new_file(file, force=True) as beside:
        beside.write_text("half")
        raise RuntimeError
    with pytest.raises(UserError, match=r"plan\.json: cannot be written: No such file"), new_file(file, force=True):
        pass
    assert file.read_text() == "first" and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("there", "expected the name of a file, found a folder"),
        ("nowhere/plan.json", "its folder .*nowhere does not exist"),
        ("x" * 250, "cannot be written: File name too long"),
    ],
)
def test_names_that_no_file_can_have_are_told_with_force_too(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match=says):
        write_whole(tmp_path / name, b"", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_full_disk_is_said_with_the_name_of_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    said = pytest.raises(UserError, match=r"report\.html: cannot be written: No space left on device; nothing is left")
    with said, new_file(tmp_path / "report.html"), Path("/dev/full").open("w") as full:
        full.write("x")
    assert list(tmp_path.iterdir()) == []
