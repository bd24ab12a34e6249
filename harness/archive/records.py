"""Values as JSON and back: attempts and tickets as the archive stores them.

Owns: the format of `attempt.json` and of tickets. Does not know: git, the meaning of values.

Both directions follow the annotations of the dataclasses: a field added there with a default is written from then on,
and old records stay readable. A field marked `omitted` is written only where it is set, so that records without it stay
as they were. Reading is strict: a wrong type, an unknown key or a number that is not finite is an error.
"""

from __future__ import annotations

import dataclasses
import json
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from evaluator.types import Rejected, Scored, Verdict
from harness.turns import turn_records
from harness.types import Attempt, AttemptFacts, Entry, Outcome, Pending, Proposal, Unjudged, base_fields

T = TypeVar("T")
_ROWS = (tuple, Sequence)
_SAMPLES = re.compile(rb'"samples": \{[^{}]*\}')
_VERDICTS: Mapping[str, type[Scored] | type[Rejected]] = {"scored": Scored, "rejected": Rejected}
_OUTCOMES: Mapping[str, type[Outcome]] = {**_VERDICTS, "unjudged": Unjudged}


class RecordError(ValueError):
    """Invalid stored JSON: says where, what was expected and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(AttemptFacts):
    """What `attempt.json` holds: an attempt without its program and its reply, which are files beside it."""

    config: str
    """The git blob of the `config.yaml` it was made under."""
    ticket: str = ""
    """The id of the last object under its ticket, which identifies a ticket that was left behind; "" for none."""
    syntax_hash: str = field(default="", metadata={"stored": "meaning"})


def record_of(attempt: Attempt, *, number: int, config: str, ticket: str) -> Record:
    """The record of an attempt under its final number. `config` is a blob id, `ticket` an object id or ""."""
    proposal, candidate = attempt.proposal, attempt.candidate
    name, description = (candidate.name, candidate.description) if candidate else attempt.title
    return Record(
        number=number,
        kind=proposal.kind,
        name=name,
        description=description,
        parents=proposal.parents,
        inspirations=proposal.inspirations,
        proposer=proposal.proposer,
        model=proposal.model,
        tiers=candidate.tiers if candidate else (),
        warnings=candidate.warnings if candidate else (),
        verdict=attempt.verdict,
        usd=proposal.usd,
        tokens=proposal.tokens,
        seconds=attempt.seconds,
        config=config,
        ticket=ticket,
        confirmations=attempt.confirmations,
        gates=attempt.gates,
        turns=turn_records(proposal.turns),
        ticket_number=attempt.ticket,
        syntax_hash=attempt.syntax_hash,
        same_as=attempt.same_as,
        claimed=proposal.imported.claimed if proposal.imported else None,
    )


def entry_of(record: Record, *, commit: str, program_id: str, when_s: int) -> Entry:
    """The entry of a record, with the commit id, the blob id of the program and the Unix time of the commit."""
    return Entry(id=commit, program_id=program_id, when_s=when_s, **base_fields(AttemptFacts, record))


def record_to_bytes(record: Record) -> bytes:
    """The content of `attempt.json`. Raises ValueError for numbers that are not finite."""
    return _lines(_dump(Record, record, "attempt"))


def record_from_bytes(data: bytes, *, samples: bool = True) -> Record:
    """A record from `attempt.json`. Without `samples`, raw samples are not parsed, and None. Raises RecordError."""
    # JSON texts escape their quotes, so this never matches inside one.
    record: Record = _read(Record, data if samples else _SAMPLES.sub(b'"samples": null', data), "attempt.json")
    return record


def pending_to_bytes(pending: Pending) -> bytes:
    """The content of a ticket's object. Raises ValueError for numbers that are not finite."""
    return _lines(_dump(Pending, pending, "ticket"))


def pending_from_bytes(data: bytes) -> Pending:
    """A ticket from its object. Raises RecordError."""
    pending: Pending = _read(Pending, data, "a ticket")
    return pending


def proposal_from_bytes(data: bytes, reply: str) -> Proposal:
    """A proposal as earlier versions stored it, with its reply in another file. Raises RecordError."""
    proposal: Proposal = _read(Proposal, data, "proposal.json")
    return dataclasses.replace(proposal, reply=reply)


def dump(value: object) -> Any:
    """A dataclass value as JSON values. Raises ValueError for numbers that are not finite."""
    return _dump(type(value), value, type(value).__name__)


def load(kind: type[T], values: object, where: str) -> T:
    """The value that `dump` made `values` from; `where` names it in errors. Raises RecordError."""
    value: T = _load(kind, values, where)
    return value


def _lines(values: Mapping[str, Any]) -> bytes:
    """JSON with one line per key: `git diff` between attempts is readable, and raw samples share a line."""
    rows = (f' "{key}": {_text(values[key])}' for key in sorted(values))
    return ("{\n" + ",\n".join(rows) + "\n}\n").encode("ascii")


def _text(value: Any) -> str:
    """A value as JSON. The encoder takes ten times as long to begin as a number takes."""
    if type(value) is int:
        return str(value)
    return "[]" if value in ((), []) else _encoder().encode(value)


@cache
def _encoder() -> json.JSONEncoder:
    return json.JSONEncoder(allow_nan=False, sort_keys=True)


def _read(kind: type[Any], data: bytes, where: str) -> Any:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:  # JSONDecodeError, UnicodeDecodeError; hostile nesting
        raise RecordError(f"{where}: expected JSON, found {len(data)} other bytes: {error}") from error
    return _load(kind, values, where)


class _NotFinite(ValueError):
    """A number that JSON cannot express, and the path to it, from the inside out."""

    def __init__(self, value: float) -> None:
        super().__init__(value)
        self.value = value
        self.way: list[str] = []


def _dump(hint: Any, value: Any, where: str) -> Any:
    try:
        return _dumper(hint)(value)
    except _NotFinite as error:
        way = ".".join([where, *reversed(error.way)])
        raise ValueError(f"{way}: expected a finite number, found {error.value}") from None


@cache
def _dumper(hint: Any) -> Callable[[Any], Any]:
    """The function that makes JSON from values of a type; cached, since thousands of each are written."""
    if hint in (Verdict, Outcome):
        return _dump_outcome
    if isinstance(hint, UnionType):
        inner = _dumper(_optional(hint))
        return lambda value: None if value is None else inner(value)
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return _dataclass_dumper(hint)
    if get_origin(hint) in _ROWS:
        item = get_args(hint)[0]
        if item is int:  # raw samples: many plain integers
            return lambda value: [operator.index(number) for number in value]
        each = _dumper(item)
        return lambda value: [each(part) for part in value]
    if get_origin(hint) is Mapping:
        each = _dumper(get_args(hint)[1])
        return lambda value: {str(key): each(part) for key, part in value.items()}
    if hint is float:
        return _dump_float
    return operator.index if hint is int else _as_it_is


def _dataclass_dumper(hint: Any) -> Callable[[Any], Any]:
    hints = _hints(hint)
    each = [
        (_key(field), field.name, _dumper(hints[field.name]), "omitted" in field.metadata)
        for field in dataclasses.fields(hint)
    ]

    def dump(value: Any) -> dict[str, Any]:
        values, key = {}, ""
        try:
            for key, name, dumper, omitted in each:
                part = getattr(value, name)
                if part is not None or not omitted:
                    values[key] = dumper(part)
        except _NotFinite as error:
            error.way.append(key)
            raise
        return values

    return dump


def _dump_outcome(value: Outcome) -> dict[str, Any]:
    name = next(name for name, kind in _OUTCOMES.items() if isinstance(value, kind))
    kind: Any = _OUTCOMES[name]
    return {name: _dumper(kind)(value)}


def _dump_float(value: float) -> float:
    if not math.isfinite(value):
        raise _NotFinite(value)
    return float(value)


def _as_it_is(value: Any) -> Any:
    return value


_Loader = Callable[[Any, str], Any]
"""Makes a value from JSON; the text is where it was found, for errors. Raises RecordError."""


def _load(hint: Any, value: Any, where: str) -> Any:
    return _loader(hint)(value, where)


@cache
def _loader(hint: Any) -> _Loader:
    """The function that reads values of a type; cached, as for writing."""
    if hint in (Verdict, Outcome):
        return _outcome_loader(_VERDICTS if hint == Verdict else _OUTCOMES)
    if isinstance(hint, UnionType):
        inner = _loader(_optional(hint))
        return lambda value, where: None if value is None else inner(value, where)
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return _dataclass_loader(hint)
    if get_origin(hint) in _ROWS:
        return _row_loader(get_args(hint)[0])
    if get_origin(hint) is Mapping:
        each = _loader(get_args(hint)[1])
        return lambda value, where: {
            key: each(part, f"{where}.{key}") for key, part in _expect(dict, value, where).items()
        }
    if get_origin(hint) is Literal:
        return _choice_loader(get_args(hint))
    return _load_float if hint is float else lambda value, where: _expect(hint, value, where)


def _row_loader(item: Any) -> _Loader:
    each = _loader(item)

    def load(value: Any, where: str) -> Any:
        items = _expect(list, value, where)
        if item in (int, str) and all(type(part) is item for part in items):
            return tuple(items)
        return tuple(each(part, f"{where}[{index}]") for index, part in enumerate(items))

    return load


def _choice_loader(choices: tuple[str, ...]) -> _Loader:
    shared = {choice: choice for choice in choices}

    def load(value: Any, where: str) -> Any:
        if type(value) is not str or value not in shared:
            raise RecordError(f"{where}: expected one of {', '.join(choices)}, found {value!r}")
        return shared[value]

    return load


def _load_float(value: Any, where: str) -> float:
    if type(value) is not float:
        _expect(float, value, where)
    if not math.isfinite(value):
        raise RecordError(f"{where}: expected a finite number, found {value}")
    return cast(float, value)


def _optional(hint: UnionType) -> Any:
    """The type T of an optional `T | None`."""
    (kind,) = (arm for arm in get_args(hint) if arm is not NoneType)
    return kind


def _outcome_loader(kinds: Mapping[str, Any]) -> _Loader:
    """The function that reads one of these, tagged with its name."""

    def load(value: Any, where: str) -> Any:
        tagged = _expect(dict, value, where)
        if len(tagged) != 1 or not tagged.keys() <= kinds.keys():
            found = ", ".join(sorted(tagged)) or "none"
            raise RecordError(f"{where}: expected one key, {' or '.join(kinds)}, found {found}")
        ((name, content),) = tagged.items()
        return _load(kinds[name], content, f"{where}.{name}")

    return load


def _dataclass_loader(kind: Any) -> _Loader:
    hints, fields = _hints(kind), dataclasses.fields(kind)
    each = {_key(field): (field.name, _loader(hints[field.name])) for field in fields}
    needed = {_key(field) for field in fields if _needed(field)}

    def load(value: Any, where: str) -> Any:
        values = _expect(dict, value, where)
        if unknown := values.keys() - each.keys():
            raise RecordError(f"{where}: expected the keys of {kind.__name__}, found also {', '.join(sorted(unknown))}")
        if missing := needed - values.keys():
            raise RecordError(f"{where}: expected {', '.join(sorted(missing))}, found no such key")
        try:
            read = ((*each[key], key, part) for key, part in values.items())
            return kind(**{name: loader(part, f"{where}.{key}") for name, loader, key, part in read})
        except RecordError:
            raise
        except ValueError as error:
            raise RecordError(f"{where}: {error}") from error

    return load


def _key(field: dataclasses.Field[Any]) -> str:
    """The key a field is stored under: its name, unless the field was renamed after the format was fixed."""
    stored: str = field.metadata.get("stored", field.name)
    return stored


def _needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


@cache
def _hints(kind: type[Any]) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _expect(kind: type[Any], value: Any, where: str) -> Any:
    """The value if it has exactly that JSON type (true is not a number). Raises RecordError."""
    if type(value) is not kind:
        raise RecordError(f"{where}: expected {kind.__name__}, found {type(value).__name__} {str(value)[:40]!r}")
    return value
