"""The book of a run: what the searches that work on it now have spent and reserved, in one file under one lock.

Owns: this file, whose accounts are in it, and what becomes of the account of a dead search. Does not know: limits,
prices, models.

The archive knows what was spent once nobody works on the run. While somebody does, answers are on their way into it: so
the first search takes the sum from the archive, and every search keeps its own account in the file from then on. When
it ends, its account is added to the base; when it was killed, the next one that looks adds it, with the most that its
calls under way may have cost. The file is never synced: after a crash of the machine nobody is alive, and the sum comes
from the archive again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from harness.accounts import Account, Booked, Sums
from harness.archive.archive import Archive
from harness.archive.opening import disk_advice
from harness.archive.owners import Owner

FILE, LOCK = "ledger.json", "ledger.lock"


@dataclass(slots=True, kw_only=True)
class LedgerPage:
    """The book while its lock is held."""

    others: Account
    mine: Account = field(default_factory=Account)


class LedgerFile:
    """The book of a run as one search sees it."""

    def __init__(self, run: Path, token: str, booked: Callable[[], Booked]) -> None:
        """`token` is this process's as an owner of tickets. `booked` is asked once, in this thread, unless another
        search is at work: the sum by the archive. Raises ArchiveError where the file cannot be written.
        """
        self._run, self._token, self._mine = run, token, Account()
        self._is_alive = Owner(run).is_alive
        with self._exclusive():
            base, accounts = self._read()
            accounts.pop(token, None)
            if not any(map(self._is_alive, accounts)):
                base, accounts = Account(spent=booked().sums), {}
            self._write(base, {**accounts, token: self._mine})
            self._seen = sum(accounts.values(), base)

    @contextmanager
    def locked(self) -> Iterator[LedgerPage]:
        """The page, under the lock of all searches; `mine` is stored when the block ends, unless it raises."""
        with self._exclusive():
            base, accounts = self._living()
            others = sum((account for token, account in accounts.items() if token != self._token), base)
            self._seen = others
            page = LedgerPage(others=others, mine=self._mine)
            yield page
            self._mine = page.mine
            self._write(base, {**accounts, self._token: self._mine})

    def close(self) -> None:
        """Add this search's account to the base. Calls that are still reserved count at the most they may cost."""
        with self._exclusive():
            base, accounts = self._living()
            accounts.pop(self._token, None)
            self._write(base + _ended(self._mine), accounts)

    def _living(self) -> tuple[Account, dict[str, Account]]:
        """The base with the accounts of dead searches added to it, and the accounts of the living."""
        base, accounts = self._read()
        if self._token not in accounts:  # the file was lost or damaged: what we saw last is all that is known
            return self._seen, {self._token: self._mine}
        for token in [token for token in accounts if not self._is_alive(token)]:
            base += _ended(accounts.pop(token))
        return base, accounts

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with disk_advice(self._run, FILE, "everything that was paid for is archived"):
            descriptor = os.open(self._run / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)

    def _read(self) -> tuple[Account, dict[str, Account]]:
        """The base and the accounts by token; nothing if the file is missing or damaged."""
        try:
            tree = json.loads((self._run / FILE).read_bytes())
            return _account(tree["base"]), {str(token): _account(held) for token, held in tree["accounts"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
            return Account(), {}

    def _write(self, base: Account, accounts: Mapping[str, Account]) -> None:
        """Replace the file, as a whole."""
        tree = {"base": _stored(base), "accounts": {token: _stored(held) for token, held in accounts.items()}}
        new = self._run / f"{FILE}.new"
        new.write_text(json.dumps(tree))
        new.replace(self._run / FILE)


def ledger_of(archive: Archive) -> LedgerFile:
    """The book that the searches of this run share; to be closed. Raises ArchiveError."""

    def booked() -> Booked:
        archive.refresh()
        return archive.booked

    return LedgerFile(archive.path, archive.owner, booked)


def _ended(account: Account) -> Account:
    """The account of a search that has ended: what it had reserved may have been spent."""
    return Account(spent=account.spent + account.held)


def _stored(account: Account) -> dict[str, Any]:
    return {
        name: {"usd": str(sums.usd), "tokens": sums.tokens, "calls": sums.calls}
        for name, sums in (("spent", account.spent), ("held", account.held))
    }


def _account(tree: Mapping[str, Any]) -> Account:
    def sums(held: Mapping[str, Any]) -> Sums:
        return Sums(usd=Fraction(str(held["usd"])), tokens=int(held["tokens"]), calls=int(held["calls"]))

    return Account(spent=sums(tree["spent"]), held=sums(tree["held"]))
