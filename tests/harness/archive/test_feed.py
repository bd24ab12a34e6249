"""A run as a reader sees it that looks on: every attempt once, whoever writes, and nothing is written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.archive import ArchiveError
from harness.archive.feed import Feed
from harness.archive.index_file import FILE
from harness.archive.owners import ASK
from harness.git import usual_pace
from harness.turns import open_ticket, with_turn
from harness.types import Message, Proposal, Request, Turn
from tests.harness.archive.archives import family, git, new, raw


def read(feed: Feed) -> list[tuple[int, str]]:
    return [(row.archived.entry.number, row.archived.entry.id) for row in feed.read()]


def tree(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


class TestRead:
    def test_all_attempts_once_and_new_ones_as_they_come(self, tmp_path: Path) -> None:
        with new(tmp_path / "run") as archive:
            family(archive)
            feed = Feed(archive.path)
            assert read(feed) == [(entry.number, entry.id) for entry in archive.entries]
            assert read(feed) == []
            more = archive.append(raw(5, archive.entries[0].id))
            assert read(feed) == [(5, more.id)]
            feed.close()

    @pytest.mark.parametrize("index", ["whole", "missing", "torn"])
    def test_entries_are_those_of_the_archive(self, tmp_path: Path, index: str) -> None:
        with new(tmp_path / "run") as archive:
            family(archive)
            archive.maintain()  # packs the refs: the index counts for packed ones only
            file = archive.path / FILE
            if index == "missing":
                file.unlink()
            elif index == "torn":
                file.write_bytes(file.read_bytes()[:-40])
            before = tree(archive.path)
            feed = Feed(archive.path)
            rows = list(feed.read())
            assert [row.archived.entry for row in rows] == list(archive.entries)
            assert tree(archive.path) == before
            feed.close()

    def test_a_number_that_was_free_may_come_late(self, tmp_path: Path) -> None:
        with new(tmp_path / "run") as archive:
            [seed, *_] = family(archive)
            archive.append(raw(9, seed.id, source="y\n"))
            feed = Feed(archive.path)
            assert [number for number, _ in read(feed)] == [0, 1, 2, 3, 4, 9]
            late = archive.append(raw(6, seed.id, source="z\n"))
            assert read(feed) == [(6, late.id)]
            git(archive.path, "pack-refs", "--all")
            assert read(feed) == []
            feed.close()

    def test_one_that_was_packed_far_behind_is_found_in_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("harness.archive.feed._BEHIND", 2)
        with new(tmp_path / "run") as archive:
            [seed, *_] = family(archive)
            archive.append(raw(30, seed.id, source="y\n"))
            feed = Feed(archive.path)
            read(feed)
            (archive.path / FILE).unlink()  # else its lines tell
            late, near = (archive.append(raw(n, seed.id, source=f"{n}\n")) for n in (6, 29))
            git(archive.path, "pack-refs", "--all")
            assert read(feed) == [(29, near.id)]
            monkeypatch.setattr("harness.archive.feed._WHOLE_S", 0.0)
            assert read(feed) == [(6, late.id)]
            assert read(feed) == []
            feed.close()

    def test_damage_is_named_and_hides_nothing_else(self, tmp_path: Path) -> None:
        with new(tmp_path / "run") as archive:
            family(archive)
            (archive.path / FILE).unlink()
            (archive.path / "refs/attempts/000002").write_text("torn")
            feed = Feed(archive.path)
            assert [number for number, _ in read(feed)] == [0, 1, 3, 4]
            assert list(feed.damage) == ["refs/attempts/000002"] and read(feed) == []
            with pytest.raises(ArchiveError, match="no attempt 2"):
                feed.entry(2)
            feed.close()

    def test_a_run_that_is_gone_is_said(self, tmp_path: Path) -> None:
        with new(tmp_path / "run") as archive:
            family(archive)
        feed = Feed(tmp_path / "run")
        feed.check()
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(ArchiveError, match="no run any more"):
            feed.check()
        feed.close()

    def test_a_long_run_is_read_from_its_index_and_its_commits(self, tmp_path: Path) -> None:
        with new(tmp_path / "run") as archive:
            [seed, *_] = family(archive)
            first = archive.next_number
            with archive.writing() as writing:
                for number in range(first, first + 30):
                    writing.append(raw(number, seed.id, source=f"{number}\n"))
            assert usual_pace().portion > 30
            lines = (archive.path / FILE).read_bytes().splitlines(keepends=True)
            kept = [line for at, line in enumerate(lines) if at % 3 or at < 4]
            (archive.path / FILE).write_bytes(b"".join([kept[0], *reversed(kept[1:])]))
            feed = Feed(archive.path)
            assert read(feed) == [(entry.number, entry.id) for entry in archive.entries]
            feed.close()


class TestOnDemand:
    def test_texts_and_commits(self, tmp_path: Path) -> None:
        with new(tmp_path / "run") as archive:
            [seed, one, *_] = family(archive)
            feed = Feed(archive.path)
            assert feed.source(one.id) == archive.source(one.id) and feed.reply(one) == archive.reply(one.id)
            assert list(feed.sources([seed.id, "0" * 40])) == [archive.source(seed.id), None]
            assert feed.commit(1) == one.id and feed.commit(77) is None
            assert feed.entry(1).description == "A change." and feed.turns(feed.entry(1)) == ()
            feed.close()


class TestTickets:
    def test_open_tickets_without_their_texts_and_with_them(self, tmp_path: Path) -> None:
        with new(tmp_path / "run") as archive:
            [seed, *_] = family(archive)
            feed = Feed(archive.path)
            assert feed.pending() == () and feed.working() == 0
            request = Request(
                kind="patch", parents=(seed.id,), model="m", messages=(Message(role="user", text="long " * 999),)
            )
            with archive.writing() as writing:
                ticket = writing.ticket()
                pending = open_ticket(ticket, request, proposer=ASK)
                writing.put(pending)
            [light] = feed.pending()
            assert light.ticket == ticket and light.request is not None and light.request.messages[0].text == ""
            whole = feed.ticket(ticket)
            assert whole is not None and whole.request == request
            assert feed.ticket(99) is None

    def test_a_ticket_is_gone_once_its_attempt_is_read(self, tmp_path: Path) -> None:
        with new(tmp_path / "run") as archive:
            [seed, *_] = family(archive)
            feed = Feed(archive.path)
            bare = Proposal(kind="patch", parents=(seed.id,), reply="", proposer="llm")
            held = archive.hold(7, with_turn(bare, Turn(text="the reply", model="m")))
            assert [pending.ticket for pending in feed.pending()] == [held]
            assert feed.working() == 1
            archive.append(raw(5, seed.id, ticket=held))
            list(feed.read())
            assert feed.pending() == ()
            feed.close()
