"""Runs that exchange elites through real git repositories, honest ones, forged, poisoned, huge and rewritten."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from evaluator import Rejected
from harness import patch
from harness.archive import Archive
from harness.git.remote import Guard, RemoteError, TooLarge, remote
from harness.islands import Exchanger, Expected, IslandProposer, IslandSettings, exchanging, exposed, origin_of
from harness.islands.exchanging import Memory, exchange
from harness.proposers import PatchText, ProposerOptions, View
from harness.proposers.catalogue import Catalogue
from harness.readings.verify import verify
from harness.search import SearchSetup, search
from harness.search.budget import Budget
from harness.select import Pareto, pick_front, standing
from harness.types import Entry, Request, Turn
from tests.harness.archive.archives import git
from tests.harness.builders import PROGRAM, KnobJudge, scored

TASK = scored(1.0, 1.0).environment.task
EXPECTED = Expected(task=TASK, source_bytes=256_000)
WHO = ("-c", "user.name=x", "-c", "user.email=x@example.org")


@pytest.fixture(autouse=True)
def no_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchanges see the user's git config: here, an empty one."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bus(tmp_path: Path) -> str:
    """The address of a shared bare repository."""
    git(tmp_path, "init", "-q", "--bare", str(tmp_path / "bus.git"))
    return f"file://{tmp_path}/bus.git"


class Idle:
    """Proposes nothing."""

    def propose(self, view: View, rng: random.Random) -> None:
        return None

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> None:
        return None


class Run:
    """A run of the toy task, searched again and again with a patch of its own."""

    def __init__(self, folder: Path, seed: str, change: tuple[str, str], bus: str) -> None:
        self.folder, self.bus, self.notes = folder, bus, list[str]()
        Archive.create(folder, seed_source=seed, config={"task": "toy", "folder": folder.name}).close()
        text = patch.render(patch.diff(seed, seed.replace(*change), name="own", description="Own."))
        self.patches = (PatchText(name="own", text=text),)

    def search(self, attempts: int, *, idle: bool = False) -> list[Entry]:
        """Search until the run has this number of attempts, the elites of others included; `idle` makes none itself."""
        with Archive.open(self.folder) as archive, ExitStack() as stack:
            exchanger = Exchanger(
                self.folder,
                archive.root_id,
                [remote(self.bus)],
                IslandSettings(remotes=(self.bus,)),
                EXPECTED,
                note=self.notes.append,
            )
            stack.enter_context(exchanger)
            setup = SearchSetup(
                judges=[KnobJudge()],
                proposer=IslandProposer(
                    Idle() if idle else Catalogue(ProposerOptions(patches=self.patches)),
                    exchanger,
                    archive.root_id,
                    0.001,
                ),
                selector=pick_front,
                objective=Pareto(),
                seed=5,
                budget=Budget(attempts=attempts),
            )
            made = list(search(archive, setup))
            exchanger.publish({entry.number: entry.id for entry in standing(archive.entries, Pareto()).front})
            return made

    @property
    def entries(self) -> list[Entry]:
        with Archive.open(self.folder) as archive:
            return list(archive.entries)

    def front(self) -> set[str]:
        return {entry.program_id for entry in standing(self.entries, Pareto()).front}


def two(tmp_path: Path, bus: str) -> tuple[Run, Run]:
    first = Run(tmp_path / "first", PROGRAM, ("ROUNDS = 4", "ROUNDS = 6"), bus)
    return first, Run(tmp_path / "second", PROGRAM, ("depth=2", "depth=1"), bus)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared repository to which a run has published its elites."""
    folder = tmp_path_factory.mktemp("prepared")
    git(folder, "init", "-q", "--bare", str(folder / "bus.git"))
    two(folder, f"file://{folder}/bus.git")[0].search(2)
    return folder / "bus.git"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """A run that asks the islands, with nothing but its seed."""
    with Archive.create(tmp_path / "asking", seed_source=PROGRAM, config={"task": "asking"}) as made:
        yield made


def asked(archive: Archive, address: str, memory: Memory | None = None, most: int = 8) -> exchanging.Exchanged:
    return exchange(
        archive.path,
        remote(address),
        root=archive.root_id,
        mine={},
        expected=EXPECTED,
        memory=memory or Memory(),
        most=most,
    )


def published(bus: str) -> dict[str, str]:
    folder = Path(bus.removeprefix("file://"))
    rows = (line.split() for line in git(folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines())
    return dict(rows)


def forged(bus: str, ref: str, files: Mapping[str, bytes | None], *, to: str = "") -> str:
    """A commit like that of `ref`, with other files (None removes one), under a ref of the shared repository."""
    folder = Path(bus.removeprefix("file://"))
    lines = git(folder, "ls-tree", ref).splitlines()
    tree = {line.split("\t")[1]: line.split("\t")[0] for line in lines}
    for name, data in files.items():
        tree.pop(name, None)
        if data is not None:
            done = subprocess.run(
                ["git", "hash-object", "-w", "--stdin"], cwd=folder, input=data, capture_output=True, check=True
            )
            tree[name] = f"100644 blob {done.stdout.decode().strip()}"
    given = "".join(f"{row}\t{name}\n" for name, row in tree.items()).encode()
    made = subprocess.run(["git", "mktree"], cwd=folder, input=given, capture_output=True, check=True)
    commit = git(folder, *WHO, "commit-tree", "-m", "forged", made.stdout.decode().strip()).strip()
    git(folder, "update-ref", to or ref, commit)
    return commit


def record(bus: str, ref: str) -> dict[str, Any]:
    return dict(json.loads(git(Path(bus.removeprefix("file://")), "show", f"{ref}:attempt.json")))


def test_two_runs_reach_the_same_front_through_a_bare_repository(tmp_path: Path, bus: str) -> None:
    first, second = two(tmp_path, bus)
    for idle in (False, True, True):
        first.search(30 if idle else 4, idle=idle)
        second.search(30 if idle else 4, idle=idle)
    assert first.front() == second.front() and len(first.front()) > 1
    from_islands = [entry for entry in second.entries if entry.kind == "import"]
    assert from_islands and all(origin_of(entry.claimed) for entry in from_islands)
    assert not any(exposed(entry, 0.001) for entry in from_islands)
    assert first.notes == second.notes == []
    for run in (first, second):
        with Archive.open(run.folder) as archive:
            assert verify(archive).ok and archive.damage == ()


def test_a_forged_score_is_measured_again_and_exposed(tmp_path: Path, bus: str) -> None:
    first, second = two(tmp_path, bus)
    first.search(2)
    ref = max(published(bus))
    claimed = record(bus, ref)
    score = claimed["verdict"]["scored"]["score"]
    score["quality"]["value"] = 0.999
    if score["gain"] is not None:
        score["gain"] = {"median": 0.9, "low": 0.9, "high": 0.9}
    program = b"FORGED = 1\n" + git(Path(bus.removeprefix("file://")), "show", f"{ref}:program.py").encode()
    forged(bus, ref, {"attempt.json": json.dumps(claimed).encode(), "program.py": program})
    second.search(3)
    told = {entry.number: exposed(entry, 0.001) for entry in second.entries if exposed(entry, 0.001)}
    assert len(told) == 1
    (number,), (text,) = told.keys(), told.values()
    assert re.search(r"claims .* 0\.999\d or more, measured here 0\.\d+", text), text
    entry = second.entries[number]
    assert entry.scored is not None and entry.scored.score.quality.value < 0.999, "our own measurement counts"


def test_an_archive_can_be_an_island_and_nothing_is_sent_to_it(tmp_path: Path, bus: str, archive: Archive) -> None:
    first, _ = two(tmp_path, bus)
    first.search(6)
    before = git(first.folder, "for-each-ref")
    made = asked(archive, str(first.folder))
    assert {elite.origin.number for elite in made.elites} >= {max(e.origin.number for e in made.elites)}
    assert made.published == 0 and made.refused == () and git(first.folder, "for-each-ref") == before


def test_an_elite_is_taken_once_and_the_newest_first(tmp_path: Path, bus: str, archive: Archive) -> None:
    first, _ = two(tmp_path, bus)
    first.search(5)
    memory, numbers = Memory(), list[int]()
    while elites := asked(archive, bus, memory, most=1).elites:
        numbers += [elite.origin.number for elite in elites]
    assert numbers == sorted(numbers, reverse=True) and len(numbers) == len(published(bus)) > 1


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"attempt.json": None}, "expected a file attempt.json, found nothing"),
        ({"program.py": None}, "expected a file program.py, found nothing"),
        ({"attempt.json": b"{"}, "attempt.json"),
        ({"attempt.json": b"[" * 100_000}, "attempt.json"),
        ({"program.py": b"\xff\xfe"}, "utf-8"),
        ({"program.py": b"x" * 300_000}, "expected a file program.py of at most 256,000 bytes, found 300,000"),
        ({"attempt.json": b" " * 5_000_000}, "of at most 4,000,000 bytes, found 5,000,000"),
        ({"number": b"7"}, "expected attempt"),
        ({"task": b"another/1"}, "for the task"),
        ({"nan": b""}, "attempt.json"),
        ({"rejected": b""}, "has no score"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_is_poisoned_is_refused_and_named(
    prepared: Path, bus: str, archive: Archive, files: dict[str, bytes | None], told: str
) -> None:
    shutil.copytree(prepared, bus.removeprefix("file://"), dirs_exist_ok=True)
    ref = max(published(bus))
    stored, (name,) = record(bus, ref), files
    if name == "number":
        stored["number"] = 77
    elif name == "task":
        stored["verdict"]["scored"]["environment"]["task"] = "another/1"
    elif name == "nan":
        stored["verdict"]["scored"]["score"]["quality"]["value"] = float("nan")
    elif name == "rejected":
        stored["verdict"] = {"rejected": {"stage": "run", "reason": "timeout", "detail": ""}}
    if name.isalpha():
        files = {"attempt.json": json.dumps(stored).encode()}
    commit = forged(bus, ref, files)
    made = asked(archive, bus)
    assert ref not in {f"refs/islands/{e.origin.root}/{e.origin.number:06d}" for e in made.elites}
    (line,) = made.refused
    assert told in line and ref in line and commit[:12] in line and bus in line


def test_a_rewritten_run_is_refused_for_good_and_named(tmp_path: Path, bus: str, archive: Archive) -> None:
    first, second = two(tmp_path, bus)
    first.search(4)
    memory = Memory()
    assert asked(archive, bus, memory).elites
    ref = min(published(bus))
    forged(bus, ref, {"program.py": b"other = 1\n"})
    second.search(1)
    made = asked(archive, bus, memory)
    (line,) = made.refused
    assert "was rewritten, and nothing more is taken from it" in line and ref in line
    (root,) = {elite.origin.root for elite in made.elites}
    assert root not in ref, "the other run is still heard"
    assert asked(archive, bus, memory).refused == (), "it is said once"


def test_a_huge_remote_is_refused(tmp_path: Path, bus: str, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = two(tmp_path, bus)
    first.search(4)
    with monkeypatch.context() as patched:
        patched.setattr(exchanging, "MOST_REFS", 1)
        with pytest.raises(RemoteError, match=r"expected at most 1 elites there, found \d"):
            asked(archive, bus)
    with monkeypatch.context() as patched:
        patched.setattr(exchanging, "_MOST_LISTED", 50)
        with pytest.raises(RemoteError, match="expected at most 50 bytes"):
            asked(archive, bus)
    with monkeypatch.context() as patched:
        patched.setattr(exchanging, "_MOST_FETCHED", 100)
        memory = Memory()
        with pytest.raises(RemoteError, match=r"expected at most 100 bytes, and .* Nothing of it was kept"):
            asked(archive, bus, memory)
        assert memory.seen == {}


def test_a_guard_counts_a_folder_or_the_output(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 60)
    Guard(60, tmp_path).watch(1000)
    Guard(60).watch(60)
    with pytest.raises(TooLarge):
        Guard(59, tmp_path).watch(0)
    with pytest.raises(TooLarge):
        Guard(59).watch(60)


def test_a_remote_that_cannot_be_reached_is_noted_once_and_the_search_goes_on(tmp_path: Path, bus: str) -> None:
    first, _ = two(tmp_path, f"file://{tmp_path}/nowhere.git")
    assert len(first.search(3)) == 4
    (note,) = first.notes
    assert "nowhere.git" in note and note.endswith("the search goes on without it")


class Stopped(BaseException):
    """As a signal raises it: no failure."""


@pytest.mark.parametrize(("error", "left"), [(Stopped, True), (ValueError, False)])
def test_what_was_found_is_published_by_a_search_that_is_stopped_but_not_by_one_that_fails(
    archive: Archive, bus: str, error: type[BaseException], left: bool
) -> None:
    settings = IslandSettings(remotes=(bus,))
    with (
        pytest.raises(error),
        Exchanger(archive.path, archive.root_id, [remote(bus)], settings, EXPECTED, note=lambda _: None) as exchanger,
    ):
        exchanger.publish({0: archive.root_id})
        raise error
    assert published(bus) == ({f"refs/islands/{archive.root_id}/000000": archive.root_id} if left else {})


def test_a_remote_that_hangs_does_not_keep_a_stopped_search(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = list[str]()
    settings, there = IslandSettings(remotes=("ssh://host/run",)), remote("ssh://host/run")
    exchanger = Exchanger(archive.path, archive.root_id, [there], settings, EXPECTED, note=notes.append)
    monkeypatch.setenv("GIT_SSH_COMMAND", "sleep 3; true")
    begun = time.monotonic()
    exchanger.exchange(fetches=False, until_s=begun + 0.3)
    assert time.monotonic() - begun < 10
    assert notes == ["islands: ssh://host/run: it did not answer in time; what was found last is not published there"]


def test_a_run_that_lies_again_and_again_is_not_judged_any_more(tmp_path: Path, bus: str) -> None:
    first, second = two(tmp_path, bus)
    first.search(1)
    ref = max(published(bus))
    root = ref.split("/")[2]
    for number in range(100, 110):
        claimed = record(bus, ref)
        claimed["number"] = number
        claimed["verdict"]["scored"]["score"]["quality"]["value"] = 0.999
        program = f"FORGED = {number}\n".encode() + PROGRAM.encode()
        files: dict[str, bytes | None] = {"attempt.json": json.dumps(claimed).encode(), "program.py": program}
        forged(bus, ref, files, to=f"refs/islands/{root}/{number:06d}")
    second.search(5)
    lies = [entry for entry in second.entries if exposed(entry, 0.001)]
    assert len(lies) == 3
