"""Completion as shells ask for it: in real shells, where they are installed, and the words that depend on the disk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evaluator import TASKS
from harness.archive import Archive
from harness.cli import COMPLETE, build
from harness.cli.commands.completion import SCRIPTS, script
from harness.cli.completing import run_folders
from tests.cli.runs import command, environment
from tests.harness.archive.archives import new, seed_attempt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a run of one attempt in `runs/first`, and names that no shell should be given."""
    (tmp_path / "runs").mkdir()
    with new(tmp_path / "runs" / "first") as archive:
        archive.append(seed_attempt(archive))
    for name in ("runs/$(touch x)", "runs/a b", "runs/.hidden", "runs/old"):
        (tmp_path / name).mkdir()
    (tmp_path / "runs" / "notes.txt").write_text("not a folder")
    (tmp_path / "notes.yaml").write_text("not a run")
    return tmp_path


def words(typed: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What may follow, by the protocol of the scripts, asked in this process."""
    asked = {COMPLETE: "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": typed}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(build(), [], prog_name="packsmith")
    return [line.partition("\t")[0] for line in done.stdout.splitlines() if line]


def test_verbs_options_and_choices_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert words("packsmith st", monkeypatch) == ["status", "stop", "stats"]
    assert words("packsmith ask --k", monkeypatch) == ["--kind"]
    assert words("packsmith ask --kind ", monkeypatch) == ["patch", "rewrite", "crossover", "repair"]
    assert words("packsmith init mine --task ", monkeypatch) == [*TASKS, "new"]
    assert words("packsmith completion ", monkeypatch) == list(SCRIPTS)
    assert words("packsmith search ", monkeypatch) == [], "a file, which the shell completes itself"


def test_runs_and_attempts_are_completed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert words("packsmith show ru", monkeypatch) == ["runs/"]
    assert words("packsmith show runs/", monkeypatch) == ["runs/first", "runs/old/"]
    assert words("packsmith show runs/first ", monkeypatch) == ["best", "seed", "0"]
    assert words("packsmith show runs/old ", monkeypatch) == ["best", "seed"]
    assert words("packsmith show nowhere/", monkeypatch) == []
    with Archive.open(folder / "runs" / "first") as archive:
        archive.maintain()
    assert words("packsmith show runs/first ", monkeypatch) == ["best", "seed", "0"], "from packed refs"


def test_only_plain_names_are_given_to_a_shell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert run_folders("~/runs/f") == ["~/runs/first"] and run_folders("~/runs/.h") == ["~/runs/.hidden/"]
    assert run_folders(f"{folder}/runs/a") == [] == run_folders(f"{folder}/runs/$")


TRY = {
    "bash": """\
eval "$SCRIPT"
ask() {
    COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
    _packsmith_completion 2>/dev/null
    echo "${#COMPREPLY[@]} ${COMPREPLY[*]}"
}
ask 'packsmith show runs/'; complete -p packsmith
env() { :; }; ask 'packsmith search '  # where nothing is offered, the shell completes a file
""",
    "zsh": """\
autoload -Uz compinit; compinit -D; eval "$SCRIPT"
compadd() { print -r -- "${@[${@[(i)--]}+1,-1]}" }
_files() { print files }
ask() { words=("${(@s: :)1}"); CURRENT=${#words}; _packsmith }
ask 'packsmith show runs/'; print -r -- $_comps[packsmith]
env() { :; }; ask 'packsmith search '
""",
    "fish": """\
echo $SCRIPT | source
complete -C 'packsmith show runs/'; complete -C 'packsmith search no'
""",
}
SAID = {
    "bash": ["2 runs/first runs/old/", "complete -o bashdefault -o default -F _packsmith_completion packsmith", "0"],
    "zsh": ["runs/first", "runs/old/", "_packsmith", "files"],
    "fish": ["runs/first", "runs/old/", "notes.yaml"],
}


@pytest.mark.slow
@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_real_shell_completes(shell: str, folder: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = f"{Path(command()).parent}:{environment()['PATH']}"
    done = subprocess.run(
        [shell, *(["--norc"] if shell == "bash" else ["-f"] if shell == "zsh" else ["--no-config"]), "-c", TRY[shell]],
        cwd=folder,
        env=environment(SCRIPT=script(shell), PATH=path, HOME=str(folder)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [line.partition("\t")[0].strip() for line in done.stdout.splitlines()]
    assert lines[: len(SAID[shell])] == SAID[shell], done.stderr
