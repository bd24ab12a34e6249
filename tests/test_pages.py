"""What the pages say is so: commands parse and run, files and links exist, the README is short."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer

from harness.cli import build
from tests.cli.asking import ANCHOR, change
from tests.cli.conftest import own_temporary_files  # noqa: F401 (a fixture)
from tests.cli.runs import CONFIG, PATCHES, SIZES, Cli, solver
from tests.pages import ROOT, Page, all_pages, tracked

PAGES = all_pages()
RUN_IN_ORDER = (
    "harness/README.md",  # makes the run that the others read
    "harness/mcp/README.md",
    "harness/exchange/README.md",
    "harness/document/README.md",
    "harness/study/README.md",
    "evaluator/README.md",
    "evaluator/tasks/README.md",
    "evaluator/tasks/eplb/README.md",
    "programs/README.md",
    "README.md",
    "configs/README.md",
)
VERBS = [
    "search",
    "evaluate",
    "replay",
    "ask",
    "tell",
    "status",
    "stop",
    "advise",
    "stats",
    "report",
    "compare",
    "log",
    "loads",
    "show",
    "diff",
    "lineage",
    "best",
    "package",
    "remeasure",
    "verify",
    "checkout",
    "export",
    "push",
    "pull",
    "bundle",
    "plan",
    "assess",
    "import",
    "doctor",
    "init",
    "check-task",
    "schema",
    "completion",
    "mcp",
    "dashboard",
    "study",
    "track",
]
IN_TUTORIAL = {"init", "check-task", "schema", "completion"}
"""Verbs whose examples are in the tutorial, which a test of its own types (`tests/cli/test_tutorial.py`)."""
ELSEWHERE = {
    *("program.py", "reply.md", "config.yaml", "seed.py", "best.py", "child.py", "prompt.md", "reference.py"),
    *("refs/", "owners/", "incoming/"),
    *("boxes.py", "next_fit.py", "first_fit.py", "prompts/tasks/boxes.j2"),
    *("CONTRACT.md", "task.py", "mine.py", "deal.patch", "patches/back_and_forth.patch", "patches/swaps.patch"),
}
"""Files of a run, of an export, or of an example."""
MOST_LINES, WIDEST_TABLE = 180, 120


def by_name(name: str) -> Page:
    return Page(path=ROOT / name)


def ours(words: list[str]) -> bool:
    return Path(words[0]).name == "packsmith"


class TestReading:
    """The reader of pages itself: what it misses, no test below would find."""

    def test_what_a_page_holds(self, tmp_path: Path) -> None:
        path = tmp_path / "page.md"
        path.write_text(
            "## Two words, `code` & more\n\n[a](b.md#c) [d](https://example.org) `x/y.py` `.ci/run` `not a path.py`\n"
            "```sh\none 'two three' && four \\\n  five   # six\n```\n```\n`z.py` [e](f.md)\n```\n```sh\neight\n```\n"
        )
        page = Page(path=path)
        assert page.blocks() == [[["one", "two three"], ["four", "five"]], [["eight"]]]
        assert (page.links(), page.paths()) == (["b.md#c"], ["x/y.py", ".ci/run"])
        assert page.anchors() == {"two-words-code--more"}


class TestWords:
    def test_readme_is_short(self) -> None:
        assert len(by_name("README.md").lines) <= MOST_LINES

    def test_readme_lists_every_verb(self) -> None:
        app = typer.main.get_group(build())
        rows = " ".join(line.split("|")[1] for line in by_name("README.md").prose if line.startswith("| `"))
        assert set(re.findall(r"`([\w-]+)`", rows)) == set(VERBS) == set(app.commands)

    def test_tables_of_the_readme_are_narrow(self) -> None:
        wide = [line for line in by_name("README.md").prose if line.startswith("|") and len(line) > WIDEST_TABLE]
        assert not wide

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_links_lead_somewhere(self, page: Page) -> None:
        missing = []
        for target in page.links():
            path, _, anchor = target.partition("#")
            there = page.path.parent / path if path else page.path
            if not there.exists() or (anchor and anchor not in Page(path=there.resolve()).anchors()):
                missing.append(target)
        assert not missing

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_paths_exist(self, page: Page) -> None:
        """A path is one from the repository's root, or the end of one in the page's own folder."""
        files = tracked()
        folder = page.path.parent.relative_to(ROOT).as_posix()
        own = [name for name in files if folder == "." or name.startswith(f"{folder}/")]

        def exists(path: str) -> bool:
            pattern = re.sub(r"[A-Z]{3,}(?=\.j2)", "*", path)
            if path.endswith("/"):
                return (ROOT / path).is_dir() or (page.path.parent / path).is_dir()
            return any(fnmatch(name, pattern) for name in files) or any(fnmatch(name, f"*/{pattern}") for name in own)

        named = (path for path in page.paths() if path not in ELSEWHERE and "NAME" not in path)
        assert not [path for path in named if not exists(path)]


class TestCommands:
    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_verbs_and_options_exist(self, page: Page) -> None:
        app = typer.main.get_group(build())
        top = app.make_context("packsmith", ["doctor"])
        for words in filter(ours, page.commands()):
            verb, *arguments = words[1:]
            assert verb in app.commands, words
            assert app.commands[verb].make_context(verb, arguments, parent=top).params, words

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_files_of_the_repository_exist(self, page: Page) -> None:
        tops = {name.partition("/")[0] for name in tracked() if "/" in name}
        named = [word for words in page.commands() for word in words if word.partition("/")[0] in tops and "/" in word]
        assert not [word for word in named if not (ROOT / word).exists()]

    def test_readme_begins_with_the_two_commands(self) -> None:
        lines = by_name("README.md").lines
        install = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e "
        first = [line for line in lines if line.startswith("python3")]
        assert first == [
            f"{install}. && .venv/bin/packsmith search configs/quickstart.yaml",
            f"{install}'.[test]' && .venv/bin/pytest",
        ]


@dataclass(slots=True, kw_only=True)
class Reader:
    """Somebody who types what the pages say into one folder, with a small task in place of the large ones.

    The config `configs/quickstart.yaml` there is that of a search of milliseconds, the cases of `replay --evaluate` are
    small, and numbers of attempts are ones that the small run has. All else is as in the page. Both answers that are
    told change comments only, so that they are known and not judged again.
    """

    folder: Path
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        configs = self.folder / "configs"
        configs.mkdir(parents=True)
        timing = "timing: {budget_s: 0.01, min_pairs: 3, duel_s: 0.05}"
        config = re.sub(r"timing: \{.*?\}", timing, CONFIG)
        (configs / "quickstart.yaml").write_text(f"{config}run: runs/quickstart\n")
        (configs / "solver.py").write_text(solver())
        for name, text in PATCHES.items():
            (configs / name).write_text(text)
        shutil.copy(ROOT / "configs/eplb.yaml", configs)
        shutil.copytree(ROOT / "tests/data/imports/openevolve", self.folder / "openevolve_output")
        (self.folder / "programs").symlink_to(ROOT / "programs")
        (self.folder / "reply.md").write_text(change(1))
        large = dict.fromkeys(range(0, 400, 9), 100)
        loads = [[[large.get(step, 1) * (9 + step * expert % 7) for expert in range(8)]] for step in range(400)]
        (self.folder / "recorded.json").write_text(json.dumps({"logical_count": loads}))
        (self.folder / "config.json").write_text('{"num_hidden_layers": 2, "num_experts": 256, "mlp_only_layers": [0]}')
        for name in ("loads.json", "later.json"):
            (self.folder / name).write_text(f'{{"logical_count": [{[0] * 256}, {list(range(256))}]}}')

    def read(self, page: Page) -> None:
        for block in page.blocks():
            if [words[:2] for words in block[:1]] == [["packsmith", "init"]]:
                continue  # the tutorial has it, too, and the test that types that
            there = self.folder
            for words in block:
                if words[0] == "cd":
                    there = self.folder / words[1]
                elif " ".join(words) not in self.done:
                    self._type(words, there)

    def _type(self, words: list[str], there: Path) -> None:
        line = " ".join(words)
        if ours(words) and self._cheap(words):
            self._provide_runs(words)
            self._report(line, *self._packsmith(self._smaller(words[1:])))
            self._edit_program(words)
        elif words[0] == "git" and "ADDRESS" not in words:
            self._report(line, *self._git(words, there))

    def _cheap(self, words: list[str]) -> bool:
        """Searches that ask no model, and one evaluation: each starts an interpreter that imports torch. Trackers are
        packages of extras, and a dashboard ends with Ctrl-C.
        """
        if "--rejudge" in words or words[1] in ("dashboard", "track") or "--track" in words:
            return False
        if words[1] == "study":
            return "--table" in words
        if words[1] == "evaluate":
            return not any(" evaluate " in line for line in self.done)
        if words[1] == "search" and "--dry-run" not in words:
            return "configs/quickstart.yaml" in words and "runs/longer" not in words
        return True

    def _provide_runs(self, words: list[str]) -> None:
        """The run of the first page serves as the others."""
        for run in ("runs/quickstart", "runs/eplb"):
            if (run in words or "configs/quickstart.yaml" in words[2:3]) and (self.folder / "runs/mine").exists():
                there = self.folder / run
                if not there.exists() and "runs/mine" not in words:
                    shutil.copytree(self.folder / "runs/mine", there)

    def _edit_program(self, words: list[str]) -> None:
        if words[1] == "ask" and "--program" in words:
            child = self.folder / "child.py"
            child.write_text(child.read_text().replace(ANCHOR, f"# edited\n{ANCHOR}"))

    def _smaller(self, words: list[str]) -> list[str]:
        verb, *rest = words
        if verb == "search" and "--dry-run" not in words:
            return [*words, "-s", "budget.attempts=2"]
        if verb == "lineage" and "--patches" in words:
            return [*words, "1"]
        if verb in ("show", "diff"):
            return [verb, *(str(int(word) % 3) if word.isdecimal() else word for word in rest)]
        if "--evaluate" in words:
            cases = [at for at, word in enumerate(rest) if word == "--case"]
            kept = [word for at, word in enumerate(rest) if at not in cases and at - 1 not in cases]
            return [verb, *kept, "--case", SIZES, "--budget", "0.01"]
        return words

    def _packsmith(self, words: list[str]) -> tuple[int, str]:
        typed = [str(name) for word in words for name in (self._matching(word) if "*" in word else [word])]
        done = Cli(cwd=self.folder)(*typed)
        return done.code, done.out + done.err

    def _matching(self, pattern: str) -> list[Path]:
        return sorted(path.relative_to(self.folder) for path in self.folder.glob(pattern))

    def _git(self, words: list[str], there: Path) -> tuple[int, str]:
        number = re.compile(r"(?<=refs/attempts/)\d{6}")
        typed = [number.sub(lambda found: f"{int(found[0]) % 3:06d}", word) for word in words]
        typed = [word.replace("$PWD", str(there)) for word in typed]
        done = subprocess.run(typed, cwd=there, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def _report(self, line: str, code: int, said: str) -> None:
        self.done.append(line)
        if code:
            self.failed.append(f"{line}\n  exit code {code}: {said}")


@pytest.mark.long
def test_the_commands_of_the_pages_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which a reader meets them, each with exit code 0."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("OPENAI_API_KEY", "none-is-used")
    for name in [name for name in os.environ if name.startswith("GIT_") and name != "GIT_CONFIG_NOSYSTEM"]:
        monkeypatch.delenv(name)
    reader = Reader(folder=tmp_path / "there")
    reader.prepare()
    for name in RUN_IN_ORDER:
        reader.read(by_name(name))
    assert not reader.failed, "\n".join(reader.failed)
    typed = {line.split()[1] for line in reader.done if ours(line.split())}
    left = IN_TUTORIAL | {"doctor", "package", "dashboard", "track"}
    assert typed == set(VERBS) - left, "every verb that has an example runs, but for a slow one"
