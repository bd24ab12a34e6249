"""Bad input and bad files: each gives one clear error on standard error and the right exit code, never a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evaluator import TASKS
from evaluator.environment import cuda_devices
from harness.cli import run
from tests.cli.conftest import Searched
from tests.cli.runs import QUICKLY, SIZES, Cli, environment, write_workshop

USAGE = {
    "unknown command": (["sarch"], "Did you mean 'search'?"),
    "no config": (["search"], "Missing argument 'CONFIG'"),
    "unknown option": (["search", "tiny.yaml", "--bogus"], "No such option: --bogus"),
    "unknown shell": (["completion", "tcsh"], "for 'SHELL': 'tcsh' is not one of"),
    "no run to show": (["dashboard"], "none here: packsmith search configs/quickstart.yaml starts one"),
    "nothing to judge": (["evaluate"], "at least one program, or --ladder"),
    "nothing to patch": (["replay", "hasty.patch"], "Missing option '--onto'"),
    "unknown form": (["evaluate", "solver.py", "--form", "pair"], "'triple', 'phy2log'"),
    "unknown level": (["evaluate", "solver.py", "--require", "L9"], "'L9'"),
    "negative budget": (["evaluate", "solver.py", "--budget", "-1"], "--budget"),
    "no time": (["evaluate", "solver.py", "--timeout", "0"], "--timeout"),
    "negative seed": (["evaluate", "solver.py", "--seed", "-3"], "--seed"),
    "a word for a number": (["evaluate", "solver.py", "--seed", "one"], "--seed"),
}

WRONG = {
    "missing config": (["search", "nope.yaml"], "nope.yaml: no such config file"),
    "missing config with a near name": (["search", "tinny.yaml"], "no such config file, did you mean tiny.yaml?"),
    "missing shipped config": (["search", "configs/quikstart.yaml"], "did you mean configs/quickstart.yaml?"),
    "config that is a folder": (["search", "."], "expected a config file, found a folder"),
    "config key typo": (
        ["search", "typo.yaml"],
        "typo.yaml:9: unknown key `budget.atempts`; did you mean `budget.attempts`?",
    ),
    "config key typo on the command line": (
        ["search", "tiny.yaml", "-s", "budget.attempt=3"],
        "did you mean `budget.attempts`?",
    ),
    "config value of another kind": (["search", "tiny.yaml", "-s", "seed=[1]"], "seed"),
    "not an override": (["search", "tiny.yaml", "-s", "seed"], "section.key=value"),
    "config that is not YAML": (["search", "broken.yaml"], "broken.yaml:2: not YAML"),
    "config of bytes": (["search", "binary"], "UTF-8"),
    "empty config": (["search", "empty"], "empty file"),
    "missing seed program": (["search", "tiny.yaml", "-s", "program=nope.py"], "no such file: nope.py"),
    "missing patches": (["search", "tiny.yaml", "-s", "proposer.patches=[nope.patch]"], "nope.patch"),
    "missing program": (["evaluate", "nope.py"], "nope.py: no such file; expected a program"),
    "program that is a folder": (["evaluate", "."], ".: a folder; expected a program"),
    "program of bytes": (["evaluate", "binary"], "binary: byte 0 is not UTF-8"),
    "missing reference": (["evaluate", "solver.py", "--reference", "nope.py"], "nope.py: no such file"),
    "unknown task": (["evaluate", "solver.py", "--task", "tetris"], f"known: {', '.join(sorted(TASKS))}"),
    "unknown case": (["evaluate", "solver.py", "--case", "ep33"], "global-ep32"),
    "case key typo": (["evaluate", "solver.py", "--case", "expert=16"], "did you mean experts?"),
    "case without sizes": (["evaluate", "solver.py", "--case", "layers=4"], "missing"),
    "case of words": (["evaluate", "solver.py", "--case", "layers=four"], "expected layers=WHOLE NUMBER"),
    "impossible case": (["evaluate", "solver.py", "--case", SIZES.replace("24", "25")], "multiple of gpus (8)"),
    "tokens for another rule": (
        ["evaluate", "solver.py", "--tokens-per-rank", "4"],
        "is an option of dispatch: vllm_hash",
    ),
    "unknown device": (["evaluate", "solver.py", "--device", "tpu"], "auto, cpu, cuda or cuda:N"),
    "missing trace": (["evaluate", "solver.py", "--trace", "nope.json"], "nope.json"),
    "trace that is a program": (["evaluate", "solver.py", "--trace", "solver.py"], "solver.py"),
    "missing patch": (["replay", "nope.patch", "--onto", "solver.py"], "nope.patch: no such file; expected a patch"),
    "patch that is a config": (["replay", "tiny.yaml", "--onto", "solver.py"], "no SEARCH/REPLACE block"),
    "patch of bytes": (["replay", "binary", "--onto", "solver.py"], "binary: refused"),
    "missing parent": (["replay", "hasty.patch", "--onto", "nope.py"], "nope.py: no such file"),
    "log of nothing": (["log", "nope"], "`packsmith search` creates one"),
    "log of a folder": (["log", "."], "expected a run of packsmith"),
    "log of a file": (["log", "tiny.yaml"], "found a file"),
    "run in a folder in use": (["search", "tiny.yaml", "--run", "."], "found other files in it: name another folder"),
    "run in a file": (["search", "tiny.yaml", "--run", "solver.py"], "found a file: name another folder"),
    "run below a file": (["search", "tiny.yaml", "--run", "solver.py/run"], "Not a directory"),
}


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of every wrong kind."""
    folder = write_workshop(tmp_path_factory.mktemp("mistakes"))
    config = (folder / "tiny.yaml").read_text()
    (folder / "typo.yaml").write_text(config.replace("attempts:", "atempts:"))
    (folder / "broken.yaml").write_text("task: [eplb\n")
    (folder / "binary").write_bytes(bytes(range(255, 127, -1)))
    (folder / "empty").write_text("")
    return folder


def refusal(capfd: pytest.CaptureFixture[str], arguments: list[str], code: int) -> str:
    """The one error of a command that has to fail, run in this process: the tables above are long."""
    assert run(arguments) == code
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("usage: " if code == 2 else "error: "), (out, err)
    assert "Traceback" not in err and "bug" not in err
    return err


@pytest.mark.parametrize(("arguments", "said"), USAGE.values(), ids=USAGE)
def test_wrong_usage_is_exit_code_2(
    mistaken: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(mistaken)
    error = refusal(capfd, arguments, 2)
    assert said in error and "Try: packsmith" in error and "--help" in error


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_errors_that_the_user_can_fix_are_exit_code_1(
    mistaken: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(mistaken)
    assert said in refusal(capfd, arguments, 1)


def test_the_installed_command_exits_with_these_codes(cli: Cli) -> None:
    (cli.cwd / "typo.yaml").write_text((cli.cwd / "tiny.yaml").read_text().replace("attempts:", "atempts:"))
    assert "did you mean `budget.attempts`?" in cli.refused("search", "typo.yaml")
    assert "Did you mean 'search'?" in cli.refused("sarch", code=2, afresh=True)
    bare = cli(afresh=True)
    assert bare.code == 2 and bare.out.startswith("Usage: packsmith") and not bare.err


def test_an_output_file_that_cannot_be_written_is_an_error(cli: Cli) -> None:
    done = cli("replay", "hasty.patch", "--onto", "solver.py", "-o", "no/child.py")
    assert done.code == 1 and done.out == "" and "error: no/child.py: cannot be written" in done.err


@pytest.mark.skipif(bool(cuda_devices()), reason="there is a CUDA device here")
def test_cuda_without_a_device(cli: Cli) -> None:
    error = cli.refused("evaluate", "solver.py", "--case", SIZES, "--device", "cuda")
    assert "torch sees no CUDA device" in error


def test_a_reference_that_fails(cli: Cli) -> None:
    (cli.cwd / "bad.py").write_text("def rebalance_experts(*a):\n    raise ValueError\n")
    error = cli.refused("evaluate", "solver.py", "--reference", "bad.py", "--case", SIZES, "--budget", "0.05")
    assert "the reference bad.py failed at run" in error and "another reference" in error


def test_other_repositories_are_left_alone(cli: Cli) -> None:
    for options in (["foreign"], ["--bare", "bare"]):
        subprocess.run(["git", "init", "-q", *options], cwd=cli.cwd, check=True)
        folder = options[-1]
        before = sorted((cli.cwd / folder).rglob("*"))
        assert "name another folder" in cli.refused("search", "tiny.yaml", "--run", folder)
        assert "expected a run of packsmith" in cli.refused("log", folder)
        assert "expected a run of packsmith" in cli.refused("verify", folder)
        assert sorted((cli.cwd / folder).rglob("*")) == before


def test_without_git_the_message_says_so(searched: Searched, tmp_path: Path) -> None:
    """Commands that need no run still work."""
    cli = Cli(cwd=searched.workshop)
    bare = environment(PATH=str(tmp_path))
    for arguments in (["log", "run"], ["search", "tiny.yaml"], ["verify", "run"]):
        assert "install git" in cli.refused(*arguments, env=bare)
    assert cli("replay", "hasty.patch", "--onto", "solver.py", env=bare).code == 0


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a small file system in memory; skips where that is not allowed."""
    made: list[Path] = []

    def mount(name: str, size: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "packsmith-test", folder], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"mounting is not allowed here: {done.stderr.decode().strip()}")
        made.append(folder)
        return folder

    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount")
    yield mount
    for folder in made:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_a_search_stopped_by_a_full_disk_continues_once_there_is_room(cli: Cli, mounted: Callable[..., Path]) -> None:
    folder = mounted("small", "128k")
    search = ["search", "tiny.yaml", "--run", folder / "run", *QUICKLY, "-s", "budget.attempts=40"]
    done = cli(*search)
    assert done.code == 1 and "Traceback" not in done.err
    [error] = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert "no space is left on the disk" in error and "are safe" in error and "free some" in error
    printed = [line.split()[:2] for line in done.out.splitlines() if line[:4].strip().isdigit()]
    assert printed, "something fitted"
    assert [line.split()[:2] for line in cli("log", folder / "run").out.splitlines()[1:]] == printed
    subprocess.run(["mount", "-o", "remount,size=8m", folder], check=True)
    budget = f"budget.attempts={len(printed) + 1}"
    assert cli(*search[:-1], budget).code == 0
    assert cli("verify", folder / "run").code == 0
    full = mounted("full", "4k")
    (full / "filler").write_bytes(bytes(4096))
    assert "No space left" in cli.refused("best", folder / "run", "-o", full / "best.py")


@pytest.mark.slow
def test_a_read_only_run_can_be_read_but_not_continued(
    searched: Searched, own_run: Path, mounted: Callable[..., Path]
) -> None:
    folder = mounted("fixed", "8m")
    shutil.copytree(own_run, folder / "run")
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    cli = Cli(cwd=searched.workshop)
    for arguments in (["log", folder / "run"], ["best", folder / "run"], ["verify", folder / "run"]):
        done = cli(*arguments)
        assert done.code == 0, done.err
    for options in (["--run", folder / "run", "-s", "budget.attempts=9"], ["--run", folder / "new"]):
        done = cli("search", "tiny.yaml", *options)
        assert done.code == 1 and "Traceback" not in done.err and "bug" not in done.err
        [error] = [line for line in done.err.splitlines() if line.startswith("error: ")]
        assert "cannot be written" in error or "Read-only" in error, error
