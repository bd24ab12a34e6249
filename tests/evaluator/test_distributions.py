"""Reading files of wheels and of installed packages, and refusing what is no wheel."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluator import distributions
from evaluator.distributions import MAX_INDEX_BYTES, MAX_TEXT_BYTES, Wheel, choose, installed, wheel
from evaluator.types import EvaluatorError
from tests.evaluator.wheels import VERSION, write_wheel

FILES = {"engine/a.py": "a = 'ä'\n", "engine/deep/b.py": "b = 2\n", "engine/b.so": b"\xff\xfe"}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_wheel(tmp_path, "Some_Engine", FILES)


def test_a_wheel_says_what_it_is_and_gives_its_files(good: Path) -> None:
    read = wheel(good)
    assert (read.project, read.version) == ("Some_Engine", VERSION)
    assert read.place == f"the wheel Some_Engine-{VERSION}-py3-none-any.whl"
    assert read.text("engine/a.py") == "a = 'ä'\n" and read.text("engine/c.py") is None
    assert read.like("deep") == ["engine/deep/b.py"] and read.like("b.so") == []


def test_a_wheel_is_chosen_by_its_project(good: Path) -> None:
    read = wheel(good)
    assert choose("some.engine", [read]) is read
    assert choose("another-engine", [read]) is None
    with pytest.raises(EvaluatorError, match=r"expected one wheel of some-engine, found .+ and .+"):
        choose("some-engine", [read, read])


def test_an_installed_package_is_read_without_importing_it() -> None:
    before = set(sys.modules)
    found = installed("ruff")
    assert found is not None and found.version and found.folder.name == "ruff"
    text = found.text("ruff/__init__.py")
    assert text is not None and "ruff/__init__.py" in found.like("ruff")
    assert found.text("ruff/no_such.py") is None and found.text("ruff/__init__.py/inner.py") is None
    assert "ruff" not in set(sys.modules) - before
    assert installed("no-such-engine") is None


def refused(path: Path) -> str:
    with pytest.raises(EvaluatorError) as caught:
        wheel(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_what_is_no_wheel_is_refused_with_what_was_found(tmp_path: Path, good: Path) -> None:
    assert "No such file" in refused(tmp_path / "missing.whl")
    assert "Is a directory" in refused(tmp_path)
    for content in (b"", b"text", good.read_bytes()[:-30], good.read_bytes()[: good.stat().st_size // 2]):
        (tmp_path / "broken.whl").write_bytes(content)
        assert "no zip archive, or not whole" in refused(tmp_path / "broken.whl")
    plain = tmp_path / "plain.zip"
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("engine/a.py", "")
    assert "0 files *.dist-info/METADATA" in refused(plain)
    with zipfile.ZipFile(plain, "a") as archive:
        archive.writestr("engine-1.dist-info/METADATA", "Name: two words\nVersion: 1\n")
    assert "no Name and Version" in refused(plain)


def test_huge_indexes_and_64_bit_archives_are_not_even_read(tmp_path: Path, good: Path) -> None:
    whole, forged = good.read_bytes(), tmp_path / "forged.whl"
    at = whole.rindex(b"PK\5\6")
    for size, words in ((MAX_INDEX_BYTES + 1, f"an index of {MAX_INDEX_BYTES + 1:,} bytes"), (2**32 - 1, "64-bit")):
        forged.write_bytes(whole[: at + 12] + size.to_bytes(4, "little") + whole[at + 16 :])
        assert words in refused(forged)
    forged.write_bytes(whole[:at] + b"PK\6\7" + bytes(16) + whole[at:])
    assert "64-bit" in refused(forged)


def test_a_file_of_a_wheel_is_read_within_limits(tmp_path: Path) -> None:
    files = {"e/long.py": "#" * (MAX_TEXT_BYTES + 1), "e/binary.py": b"x = '\xff'", "e/most.py": "#" * MAX_TEXT_BYTES}
    read = wheel(write_wheel(tmp_path, "engine", files))
    assert read.text("e/most.py") == "#" * MAX_TEXT_BYTES
    with pytest.raises(EvaluatorError, match=r"e/long\.py: expected a text of at most 1,048,576 bytes, found more"):
        read.text("e/long.py")
    with pytest.raises(EvaluatorError, match=r"e/binary\.py: byte 5 is not UTF-8"):
        read.text("e/binary.py")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_wheel_is_an_error_or_reads_as_before(tmp_path: Path, good: Path, data: st.DataObject) -> None:
    content = bytearray(good.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.whl"
    path.write_bytes(content)
    try:
        read = distributions.wheel(path)
        text = read.text("engine/a.py")
    except EvaluatorError as error:
        assert str(path) in str(error)
    else:
        assert isinstance(read, Wheel) and text in (None, FILES["engine/a.py"])
