"""`Run`, the run from Python: what it reads of attempts that are made by hand, what it refuses, asking."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness
from evaluator import Interval
from harness import HarnessError, Run
from harness.archive import Archive, ArchiveError
from harness.config import load
from harness.runs.opened import begun
from harness.runs.rows import COLUMNS
from tests.cli.runs import patch, write_workshop
from tests.harness.archive.archives import changing, refused, seed_attempt
from tests.harness.builders import scored


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four attempts: the seed program, a better one, a refused reply, and a faster child of the better one."""
    folder = write_workshop(tmp_path_factory.mktemp("runs"))
    with begun(folder / "run", load(folder / "tiny.yaml")) as opened:
        archive = opened.archive
        seed = archive.append(seed_attempt(archive)).id
        better = changing(archive, 1, [seed], "PLACED_WELL = 4", "PLACED_WELL = 8", verdict=scored(0.6, 1.01))
        one = archive.append(better).id
        archive.append(refused(archive, 2, one, reply="I would rather not."))
        faster = changing(archive, 3, [one, seed], "PAUSE_S = 0.003", "PAUSE_S = 0.0", verdict=scored(0.61, 3.0))
        archive.append(faster)
    return folder / "run"


@pytest.fixture
def run(made: Path) -> Iterator[Run]:
    with Run.open(made) as opened:
        yield opened


def test_attempts_are_read_by_number_with_their_facts(run: Run) -> None:
    assert [attempt.number for attempt in run.attempts] == [0, 1, 2, 3] == [one.number for one in run.attempts[:]]
    seed, better, _, faster = run.attempts
    assert (seed.parents, better.parents, faster.parents) == ((), (0,), (1, 0))
    assert better.quality == Interval(median=0.6, low=0.6, high=0.6) and better.speedup is not None
    assert better.speedup.low < better.speedup.median == 1.01 and better.cost.usd == 0.01 and better.model == "toy-1"
    assert better.program is not None and "PLACED_WELL = 8" in better.program and "<NAME>\nchange 1" in better.reply
    assert seed.reply == "" and repr(faster) == (
        "RunAttempt(number=3, name='change 3', verdict=Scored, quality=0.61, speedup=3)"
    )


def test_a_refused_reply_has_no_program_and_no_score(run: Run) -> None:
    attempt = run.attempts[2]
    assert attempt.rejected is not None and attempt.rejected.stage == "patch" and attempt.program is None
    assert (attempt.quality, attempt.gain, attempt.speedup, attempt.runtime_ms, attempt.scored) == (None,) * 5
    assert attempt.reply == "I would rather not."


def test_best_front_and_seed_follow_the_objective_of_the_run(run: Run) -> None:
    assert run.best is not None and run.seed is not None
    assert (run.best.number, run.seed.number) == (3, 0)
    assert [attempt.number for attempt in run.front] == [3]
    assert run.attempt("seed").number == 0 and run.attempt(run.attempts[1].id[:8]).number == 1
    with pytest.raises(ArchiveError, match="numbers run from 0 to 3"):
        run.attempt(99)


def test_rows_have_every_column(run: Run) -> None:
    rows = run.rows()
    assert all(tuple(row) == COLUMNS for row in rows) and len(rows) == 4
    assert rows[1]["quality"] == 0.6 and rows[1]["parents"] == (0,) and rows[3]["best"] and not rows[1]["best"]
    assert rows[2]["quality"] is None and (rows[2]["verdict"], rows[2]["stage"]) == ("rejected", "patch")


def test_without_pandas_a_frame_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(HarnessError, match=r"pip install 'packsmith\[frame\]'"):
        run.frame()


def test_a_refresh_returns_what_another_writer_added(tmp_path: Path) -> None:
    folder = write_workshop(tmp_path / "again")
    with Run.create(folder / "tiny.yaml", folder / "run") as run, Archive.open(folder / "run") as archive:
        assert len(run.attempts) == 0 and run.best is None and run.seed is None
        archive.append(seed_attempt(archive))
        assert [attempt.name for attempt in run.refresh()] == ["seed"] and len(run.attempts) == 1
        assert run.best is not None and run.best.number == 0


def test_what_cannot_be_is_refused_with_what_to_do(made: Path, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="found no such folder"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(HarnessError, match=r"found a run at .*: Run\.open it"):
        Run.create(made.parent / "tiny.yaml", made)
    with pytest.raises(HarnessError, match=r"budget\.attempts"):
        Run.create(made.parent / "tiny.yaml", tmp_path / "run", overrides=["budget.attempts=0"])
    with Run.open(made, read_only=True) as run:
        for refused_call in (run.ask, lambda: run.tell(1, "text")):
            with pytest.raises(HarnessError, match="read_only=True"):
                refused_call()
    assert not (tmp_path / "run").exists()


def test_a_ticket_holds_a_prompt_and_takes_only_an_answer(run: Run) -> None:
    ticket = run.ask("patch")
    assert (ticket.kind, ticket.parents) == ("patch", (3,))
    assert ticket.program == run.attempts[3].program and "WASTED" in ticket.prompt
    assert [message.role for message in ticket.messages] == ["system", "user"]
    text = patch("wide", "Wider.", "WASTED = 0\n", "WASTED = 1\n")
    for answers, expected in (
        ({}, "either a reply or program="),
        ({"reply": text, "program": "x"}, "either a reply or program="),
        ({"reply": text, "name": "mine"}, "need program="),
        ({"reply": text, "usd": float("nan")}, "usd and tokens of at least 0"),
        ({"reply": "  \n"}, "found an empty text; the ticket is still open"),
        ({"reply": "a\0b"}, "as UTF-8 text"),
        ({"program": ticket.program}, f"no patch turns the program of ticket {ticket.number}"),
    ):
        with pytest.raises(HarnessError, match=expected):
            run.tell(ticket, **answers)  # type: ignore[arg-type]
    with pytest.raises(HarnessError, match=f"open tickets of this run: {ticket.number}"):
        run.tell(99, text)


def test_importing_the_package_loads_nothing_else() -> None:
    code = (
        "import sys, harness; print([name for name in sys.modules if name.split('.')[0] in ('harness', 'evaluator')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "['harness']\n"
    with pytest.raises(AttributeError, match="no attribute 'Rum'"):
        harness.Rum  # type: ignore[attr-defined]  # noqa: B018
    assert all(hasattr(harness, name) for name in harness.__all__)
