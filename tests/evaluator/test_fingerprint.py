"""Which run times are comparable: the fingerprint of an environment, and the texts about differences."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator import environment, gpus
from evaluator.types import Environment

HERE = Environment(
    device="cuda:0",
    hardware="a GPU",
    cores=16,
    threads=2,
    python="3.11.4",
    torch="2.13.0",
    kernel="6.1.0",
    sandbox="L2",
    task="eplb/3",
    reference="greedy.py 0123456789ab",
    driver="570.86.10 with CUDA 12.8",
)

TEXTS = st.sampled_from(
    ["", "3", "3.11", "3.11.4", "3.11.9", "3.12.1", "cpu", "cuda:0", "cuda:1", "a b", "c b", "é\ud800"]
)
ENVIRONMENTS = st.builds(
    Environment,
    **{field.name: TEXTS for field in fields(Environment) if field.type == "str"},
    cores=st.integers(1, 3),
    threads=st.integers(1, 3),
    empty_call_us=st.integers(0, 3),
    scatter=st.floats(0, 1),
    warnings=st.tuples(TEXTS),
)


@given(first=ENVIRONMENTS, second=ENVIRONMENTS)
def test_differences_and_fingerprints_agree(first: Environment, second: Environment) -> None:
    alike = first.fingerprint == second.fingerprint
    assert (first.differences(second) == ()) == (first.differing(second) == ()) == alike
    assert len(first.differences(second)) == len(second.differences(first))
    assert first.fingerprint == replace(first).fingerprint and first.differences(first) == ()


@given(first=ENVIRONMENTS, name=st.sampled_from(["kernel", "sandbox", "warnings", "scatter", "empty_call_us"]))
def test_irrelevant_fields_do_not_change_the_fingerprint(first: Environment, name: str) -> None:
    other = {"kernel": "9", "sandbox": "L0", "warnings": ("busy",), "scatter": 2.0, "empty_call_us": 77}[name]
    assert first.differences(replace(first, **{name: other})) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"device": "cpu"}, ("device cuda and cpu",)),
        ({"device": "cuda:3"}, ()),
        ({"hardware": "another"}, ("hardware a GPU and another",)),
        ({"driver": ""}, ("driver 570.86.10 with CUDA 12.8 and unknown",)),
        ({"torch": "2.14.0"}, ("torch 2.13.0 and 2.14.0",)),
        ({"python": "3.11.9"}, ()),
        ({"python": "3.12.0"}, ("Python 3.11 and 3.12",)),
        ({"cores": 2}, ()),
        ({"cores": 1}, ("cores for them 2 and 1",)),
        ({"threads": 1}, ("threads 2 and 1", "cores for them 2 and 1")),
        ({"task": "eplb/4"}, ("task eplb/3 and eplb/4",)),
        ({"reference": "renamed greedy.py 0123456789ab"}, ()),
        (
            {"reference": "greedy.py ba9876543210"},
            ("reference greedy.py 0123456789ab and greedy.py ba9876543210",),
        ),
    ],
)
def test_relevant_differences_are_named_with_both_values(changed: dict[str, object], words: tuple[str, ...]) -> None:
    other = replace(HERE, **changed)  # type: ignore[arg-type]
    assert HERE.differences(other) == words
    assert (HERE.fingerprint == other.fingerprint) == (not words)


def test_fingerprint_is_the_same_in_every_process_and_version() -> None:
    """Stored notes contain it: whoever changes its inputs must do so on purpose."""
    assert HERE.fingerprint == "b5d54468a974"


@pytest.mark.parametrize(
    ("kernel", "tool", "cuda", "driver"),
    [
        ("570.86.10\n", "999", "12.8", "570.86.10 with CUDA 12.8"),
        (None, "550.1\n550.1\n", "12.8", "550.1 with CUDA 12.8"),
        (None, None, "12.8", "CUDA 12.8"),
        ("\x1b[31m570\n", None, None, ""),
        ("5" * 50, None, ["12"], ""),
        ("570.86.10", None, "", "570.86.10"),
    ],
)
def test_driver_is_text_that_looks_like_a_version(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kernel: str | None,
    tool: str | None,
    cuda: object,
    driver: str,
) -> None:
    version = tmp_path / "version"
    if kernel is not None:
        version.write_text(kernel)
    script = tmp_path / "nvidia-smi"
    script.write_text("#!/bin/sh\nexit 9\n" if tool is None else f"#!/bin/sh\nprintf '{tool}'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(environment, "_DRIVER_VERSION", version)
    report = {"visible": "", "gpus": [["A", ""]]} | ({} if cuda is None else {"cuda": cuda})
    assert [target.driver for target in environment._targets(json.dumps(report))] == [driver]
    assert gpus.driver_version() == ("" if tool is None else tool.split()[0])


def test_cpu_has_no_driver() -> None:
    assert environment.find("cpu").driver == ""


@pytest.mark.gpu
def test_driver_of_this_machine() -> None:
    assert environment.find("cuda").driver.partition(" with CUDA ")[2]
