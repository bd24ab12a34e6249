"""Tickets on real git: ownership, adoption, and numbers never used twice; advice and requests to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.accounts import Booked
from harness.archive import Archive, ArchiveError
from harness.archive.owners import Owner
from harness.text import encode
from harness.types import Message, Pending, Proposal, Request, Turn, Usage
from tests.harness.archive.archives import fsck, git, new, raw
from tests.harness.processes import Report, child, reported


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return new(tmp_path / "run")


def proposal(archive: Archive, reply: str = "paid for\udc80") -> Proposal:
    return Proposal(kind="patch", parents=(archive.root_id,), reply=reply, proposer="test", model="m", usd=0.5)


def reserved(archive: Archive, ticket: int, owner: str) -> Pending:
    request = Request(
        kind="patch", parents=(archive.root_id,), model="m", messages=(Message(role="user", text="hi \ud83d"),)
    )
    bound = {} if owner == "ask" else {"bound_usd": 0.25, "bound_tokens": 100}
    return Pending(
        ticket=ticket,
        proposal=replace(proposal(archive, ""), usd=0.0),
        request=request,
        owner=owner,
        **bound,  # type: ignore[arg-type]
    )


def asked(archive: Archive, owner: str = "ask") -> int:
    with archive.writing() as writing:
        ticket = writing.ticket()
        writing.put(reserved(archive, ticket, owner or archive.owner))
    return ticket


def loose(archive: Archive) -> set[Path]:
    return set((archive.path / "objects").glob("??/*"))


class TestHolding:
    def test_a_held_ticket_outlives_the_process(self, archive: Archive) -> None:
        assert archive.hold(3, proposal(archive, "")) == 3
        archive.hold(3, proposal(archive))
        archive.hold(4, proposal(archive))
        assert archive.entries == ()
        found = Archive.open(archive.path).pending()
        assert [(one.ticket, one.proposal, one.answered) for one in found] == [
            (3, proposal(archive), True),
            (4, proposal(archive), True),
        ]
        assert '"paid for\\udc80"' in git(archive.path, "show", "refs/pending/000003")
        assert fsck(archive.path) == ""

    def test_an_attempt_or_a_drop_removes_a_ticket_completely(self, archive: Archive) -> None:
        before = loose(archive)
        for ticket in (1, 2, 3):
            archive.hold(ticket, proposal(archive))
        archive.hold(3, proposal(archive, "other"))
        archive.drop(2)
        archive.drop(2)
        archive.drop(3)
        entry = archive.append(raw(0, archive.root_id, ticket=1))
        assert Archive.open(archive.path).pending() == ()
        assert git(archive.path, "for-each-ref", "refs/pending") == ""
        names = git(archive.path, "rev-list", "--objects", "--no-object-names", entry.id, f"^{archive.root_id}").split()
        assert len(loose(archive) - before) == len(names)

    def test_a_kill_between_the_attempt_and_its_ticket_is_not_judged_twice(self, archive: Archive) -> None:
        archive.hold(1, proposal(archive))
        ticket = git(archive.path, "rev-parse", "refs/pending/000001").strip()
        archive.append(raw(0, archive.root_id, ticket=1))
        git(archive.path, "update-ref", "--no-deref", "refs/heads/elsewhere", archive.root_id)
        (archive.path / "refs/pending/000001").write_text(f"{ticket}\n")
        archive.close()
        again = Archive.open(archive.path)
        assert again.pending() == () and again.adopt() == ()
        assert again.hold(1, proposal(archive, "later")) == 2

    def test_a_torn_ticket_is_reported(self, archive: Archive) -> None:
        archive.hold(1, proposal(archive))
        held = git(archive.path, "rev-parse", "refs/pending/000001").strip()
        path = archive.path / "objects" / held[:2] / held[2:]
        path.unlink()
        path.write_bytes(b"")
        archive.close()
        again = Archive.open(archive.path)
        assert again.pending() == ()
        assert "refs/pending/000001" in again.damage[0]

    def test_a_ticket_of_an_earlier_version_is_adopted(self, archive: Archive) -> None:
        old = (
            f'{{"kind": "patch", "parents": ["{archive.root_id}"], "reply": "", "proposer": "m", "inspirations": [],'
            f' "model": "", "usd": 0.5, "tokens": 0}}'
        )
        with archive._repository.batch() as batch:
            tree = batch.tree({"ticket": b"7\n", "proposal.json": old.encode(), "reply.md": encode("old reply")})
        archive._repository.set_ref("refs/pending/000007", tree)
        (found,) = Archive.open(archive.path).adopt()
        assert (found.ticket, found.answered, found.proposal.reply, found.proposal.usd) == (7, True, "old reply", 0.5)

    def test_a_failed_batch_leaves_nothing(self, archive: Archive) -> None:
        with pytest.raises(RuntimeError), archive.writing() as writing:
            writing.put(reserved(archive, writing.ticket(), archive.owner))
            writing.append(raw(0, archive.root_id))
            assert len(archive.entries) == 1
            raise RuntimeError
        assert archive.refresh() == () and archive.entries == () and archive.pending() == ()
        assert git(archive.path, "for-each-ref", "refs/attempts", "refs/pending") == ""
        assert list(archive.path.glob("refs/*/*.lock")) == []
        assert archive.append(raw(0, archive.root_id)).number == 0


class TestOwners:
    def test_a_live_owner_s_tickets_are_left_alone_and_a_dead_one_s_taken_over(self, archive: Archive) -> None:
        ticket = archive.hold(1, proposal(archive, "theirs"))
        other = Archive.open(archive.path)
        assert other.adopt() == ()
        with pytest.raises(ArchiveError, match="worked on by another process"):
            other.take(ticket)
        archive.close()
        (mine,) = other.adopt()
        assert (mine.ticket, mine.owner, mine.proposal.reply) == (ticket, other.owner, "theirs")
        assert Archive.open(archive.path).adopt() == ()
        other.append(raw(0, other.root_id, ticket=ticket))
        assert git(archive.path, "for-each-ref", "refs/pending") == ""

    def test_a_killed_process_is_dead_at_once(self, archive: Archive) -> None:
        def hold(report: Report) -> None:
            theirs = Archive.open(archive.path)
            report(asked(theirs, ""))
            signal.pause()

        with child(hold) as (process, reading):
            assert os.read(reading, 2) == b"1\n"
            (pending,) = archive.pending()
            assert not archive.orphaned(pending) and archive.adopt() == ()
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        assert archive.orphaned(pending)
        (mine,) = archive.adopt()
        assert mine == replace(pending, owner=archive.owner)

    def test_files_of_the_dead_are_removed(self, tmp_path: Path) -> None:
        first, second = Owner(tmp_path), Owner(tmp_path)
        assert first.token != second.token and first.is_alive(second.token) and second.is_alive(first.token)
        (tmp_path / "owners" / "0123456789abcdef").write_text("")
        assert not first.is_alive("0123456789abcdef") and not first.is_alive("") and not first.is_alive("ask")
        second_token = second.token
        second.close()
        assert not first.is_alive(second_token)
        third = Owner(tmp_path)
        assert {path.name for path in (tmp_path / "owners").iterdir()} == {third.token, first.token} - {
            ""
        } or third.token


class TestAsking:
    def test_open_tickets_have_no_owner_until_answered(self, archive: Archive) -> None:
        ticket = asked(archive)
        archive.close()
        other = Archive.open(archive.path)
        assert other.adopt() == () and other.booked == Booked()
        answer = replace(proposal(other, "told"), turns=(Turn(text="told", model="me", usd=0.5, usage=Usage()),))
        taken = other.take(ticket, answer=answer)
        assert (taken.answered, taken.proposal, taken.owner) == (True, answer, other.owner)
        third = Archive.open(archive.path)
        assert third.booked.usd == 0.5
        with pytest.raises(ArchiveError, match="worked on by another process"):
            third.take(ticket)
        other.append(replace(raw(0, other.root_id, ticket=ticket), proposal=answer))
        with pytest.raises(ArchiveError, match="ticket 1 is already answered: it became attempt 0"):
            third.take(ticket)
        with pytest.raises(ArchiveError, match=r"expected an open ticket, found 9; open tickets of this run: none"):
            third.take(9)

    def test_the_number_of_an_answered_ticket_is_never_reused(self, archive: Archive) -> None:
        other = Archive.open(archive.path)
        for expected in (1, 2, 3):
            assert asked(archive) == expected
            archive.take(expected, answer=proposal(archive))
            archive.append(raw(archive.next_number, archive.root_id, ticket=expected))
        assert asked(other) == 4

    def test_four_concurrent_processes_neither_lose_nor_duplicate_tickets(self, archive: Archive) -> None:
        def work(salt: int) -> Callable[[Report], None]:
            def asking(report: Report) -> None:
                mine = Archive.open(archive.path)
                for turn in range(12):
                    ticket = asked(mine)
                    mine.take(ticket, answer=proposal(mine, f"{salt} {turn}"))
                    entry = mine.append(raw(mine.next_number, mine.root_id, ticket=ticket, source=f"{salt} {turn}"))
                    mine.catch_up()
                    report(1000 * ticket + entry.number)

            return asking

        with (
            child(work(1)) as (_, one),
            child(work(2)) as (_, two),
            child(work(3)) as (_, three),
            child(work(4)) as (_, four),
        ):
            found = [number for pipe in (one, two, three, four) for number in reported(pipe)]
        assert len({number // 1000 for number in found}) == len({number % 1000 for number in found}) == len(found) == 48
        archive.refresh()
        assert [entry.number for entry in archive.entries] == list(range(48))
        assert sorted((entry.ticket_number, entry.number) for entry in archive.entries) == sorted(
            divmod(number, 1000) for number in found
        )
        assert archive.pending() == () and fsck(archive.path) == ""


class TestCatchingUp:
    def test_catching_up_finds_what_refresh_finds(self, archive: Archive) -> None:
        other = Archive.open(archive.path)
        made = [other.append(raw(number, other.root_id)) for number in range(5)]
        assert archive.catch_up() == tuple(made) and archive.catch_up() == ()
        (archive.path / "refs/attempts/000005.lock").write_text("")
        later = other.append(raw(5, other.root_id))
        assert later.number == 6
        assert archive.catch_up() == (later,)
        (archive.path / "refs/attempts/000005.lock").unlink()
        late = Archive.open(archive.path).append(raw(5, other.root_id))
        assert late.number == 5
        assert archive.refresh() == (late,)
        assert archive.entries == (*made, late, later)

    def test_an_attempt_in_writing_is_taken_in_once_it_is_complete(self, archive: Archive) -> None:
        other = Archive.open(archive.path)
        with other.writing() as writing:
            first = writing.append(raw(0, other.root_id))
            mine = archive.append(raw(0, archive.root_id, source="mine"))
            assert (first.number, mine.number) == (0, 1)
            assert archive.catch_up() == ()
        assert archive.catch_up() == (first,)
        assert archive.entries == (first, mine)


class TestNotices:
    def test_advice_is_kept_in_order_and_seen_by_others(self, archive: Archive) -> None:
        other = Archive.open(archive.path)
        assert other.advice() == ()
        assert archive.advise("Try sorting.\n") == 1
        assert other.advise("half \ud83d") == 2
        assert archive.advice() == other.advice() == ("Try sorting.\n", "half \ud83d")
        assert git(archive.path, "show", "refs/advice/000001") == "Try sorting.\n"
        git(archive.path, "gc", "-q")
        assert Archive.open(archive.path).advice() == archive.advice()
        assert fsck(archive.path) == ""

    def test_only_a_later_request_to_stop_counts(self, archive: Archive) -> None:
        other = Archive.open(archive.path)
        other.ask_to_stop()
        assert archive.stop_asked() and not Archive.open(archive.path).stop_asked()
        archive.listen()
        assert not archive.stop_asked()
        other.ask_to_stop()
        assert archive.stop_asked()
