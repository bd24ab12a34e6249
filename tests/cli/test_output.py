"""How the command looks: help, widths, colours, and output to pipes and closed streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from harness.cli import run
from harness.cli.verbs import verbs
from tests.cli.conftest import Searched
from tests.cli.runs import SIZES, Cli, check_width, command, environment, on_terminal

VERBS = (
    *("search", "evaluate", "replay", "ask", "tell", "status", "stop", "advise", "stats"),
    *("verify", "log", "show", "diff", "lineage", "best", "remeasure", "checkout", "export"),
    *("push", "pull", "bundle", "import", "doctor", "study", "track"),
)


ONE_BY_ONE = """
import json, sys
from harness import cli

cli._prepare_streams()
for words in json.loads(sys.argv[1]):
    assert cli.run(words) == 0, words
    print("\f", flush=True)
"""
"""Commands as the console script runs them, in one process: all that hangs on how an interpreter starts is the same."""


def shell(cli: Cli, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", text.replace("packsmith", f"'{command()}'")],
        cwd=cli.cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_version_and_help(cli: Cli, root: Path) -> None:
    assert cli("--version", afresh=True).out == f"packsmith {metadata.version('packsmith')}\n"
    module = subprocess.run([sys.executable, "-m", "harness", "--version"], cwd=root, capture_output=True, text=True)
    assert module.stdout == f"packsmith {metadata.version('packsmith')}\n"
    done = cli("-h")
    assert done.code == 0 and done.out == cli("--help").out
    for verb in VERBS:
        [line] = [line for line in done.out.splitlines() if line.startswith(f"  {verb} ")]
        assert line.endswith(".") and not line.endswith("..."), "a whole sentence, not one that is cut"
    assert "packsmith search configs/quickstart.yaml" in done.out


def test_a_command_line_has_its_own_verb_and_any_other_all_of_them() -> None:
    every = verbs()
    assert [verb.__name__.rstrip("_").replace("_", "-") for verb in every.values()] == list(every)
    for name in every:
        few = verbs([name, "-h"])
        assert name in few and few.items() < every.items()
    assert verbs(["sarch"]) == verbs(["--version", "log"]) == every


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_80_columns_with_one_example_per_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], verb: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([verb, "-h"]) == 0
    shown = capfd.readouterr().out
    assert shown.startswith(f"Usage: packsmith {verb} ")
    assert max(map(len, shown.splitlines())) <= 80
    examples = shown.split("Examples:\n")[1].split("\n\n")[0].splitlines()
    assert len(examples) >= 2 and all(line.startswith(("  packsmith ", "  git ")) for line in examples)
    assert examples[0].startswith(f"  packsmith {verb}")


@pytest.mark.slow
def test_everything_fits_a_terminal_of_80_columns(searched: Searched) -> None:
    for arguments in (
        ["log", "run"],
        ["search", "tiny.yaml", "--run", "run"],
        ["best", "run", "-o", "copy.py"],
        ["verify", "run"],
        ["doctor"],
        ["evaluate", "solver.py", "--ladder", "--case", SIZES, "--budget", "0.05"],
    ):
        code, text = on_terminal(searched.workshop, 80, *arguments)
        assert code == 0, text
        check_width(text, 80)


def test_a_pipe_gets_whole_lines_without_escapes(searched: Searched) -> None:
    cli = Cli(cwd=searched.workshop)
    assert "\x1b" not in searched.done.out + searched.done.err
    done = cli("log", "run", afresh=True)
    assert done.code == 0 and "\x1b" not in done.out + done.err
    done = cli("show", "run", "2")
    assert done.code == 0 and "\x1b" not in done.out + done.err
    rows = cli("log", "run").out.splitlines()
    assert len(rows) == 9, "a row is never wrapped"
    assert not any(line != line.rstrip() for line in rows)


def test_colours_appear_only_on_a_terminal(searched: Searched) -> None:
    coloured = on_terminal(searched.workshop, 100, "log", "run")[1]
    assert "\x1b[32m" in coloured or "\x1b[31m" in coloured
    plain = Cli(cwd=searched.workshop)("log", "run", env=environment(NO_COLOR="1")).out
    assert "\x1b" not in plain


def test_a_closed_pipe_is_no_error(searched: Searched) -> None:
    cli = Cli(cwd=searched.workshop)
    for verb in ("log run", "-h"):
        done = shell(cli, f"packsmith {verb} | head -c 1")
        assert done.returncode == 0 and "rror" not in done.stderr and "Exception" not in done.stderr, done.stderr
    for verb in ("log run", "log run --json", "show run 3", "best run"):
        reading, writing = os.pipe()
        os.close(reading)
        silent = cli(*verb.split(), out=writing)
        os.close(writing)
        assert silent.code == 0 and "rror" not in silent.err and "Exception" not in silent.err, silent.err


def test_output_that_cannot_be_written_is_an_error(searched: Searched) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    cli = Cli(cwd=searched.workshop)
    done = shell(cli, "packsmith log run > /dev/full")
    assert done.returncode == 1 and "error: No space left on device" in done.stderr
    with Path("/dev/full").open("wb") as full:
        for verb in ("log run", "best run", "log run --json"):
            failed = cli(*verb.split(), out=full.fileno())
            assert failed.code == 1 and "error: No space left on device" in failed.err
            assert "Exception" not in failed.err + done.stderr


def test_commands_work_with_closed_standard_streams(searched: Searched) -> None:
    cli = Cli(cwd=searched.workshop)
    assert shell(cli, "packsmith log run >&-").returncode == 0
    assert shell(cli, "packsmith log run 2>&-").returncode == 0
    assert shell(cli, "packsmith verify run <&-").returncode == 0


def test_commands_work_in_the_c_locale_without_home(searched: Searched) -> None:
    """No home, the C locale, no UTF-8: what the terminal lacks is replaced, but not in programs."""
    (searched.workshop / "umlaut.py").write_text("# größer\n" + (searched.workshop / "solver.py").read_text())
    cli = Cli(cwd=searched.workshop)
    poor = {"PATH": os.environ["PATH"], "LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = cli("log", "run", env=poor)
    assert done.code == 0 and done.out.isascii(), done.err
    several = [["show", "run", "3"], ["verify", "run"], ["best", "run", "-o", "b.py"]]
    several.append(["replay", "hasty.patch", "--onto", "umlaut.py"])
    shown = subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE, json.dumps(several)],
        cwd=cli.cwd,
        env=poor,
        capture_output=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr.decode()
    *texts, program, _ = shown.stdout.decode().split("\f\n")
    assert len(texts) == 3 and all(text.strip() and text.isascii() for text in texts)
    assert "# größer\n" in program


def test_an_internal_error_is_exit_code_3_with_a_log(cli: Cli, tmp_path: Path) -> None:
    """The boundary itself: an unexpected exception is exit code 3, with its traceback in a file."""
    code = (
        "import sys\nfrom harness import cli\n"
        "def build(*_):\n    raise RuntimeError('unforeseen')\n"
        "cli.build = build\nsys.exit(cli.run(['log', 'run']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(TMPDIR=str(tmp_path)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3 and "Traceback" not in done.stderr
    log = Path(done.stderr.strip().rpartition(" ")[2])
    assert log.parent == tmp_path and "RuntimeError: unforeseen" in log.read_text()


def test_doctor_describes_this_machine(cli: Cli) -> None:
    [facts] = cli("doctor", "--json").records
    assert {"python", "torch", "git", "cpu", "cuda"} <= facts.keys()
    assert list(facts["sandbox"]) == ["L0", "L1", "L2", "L3"] and facts["level"] in facts["sandbox"]
