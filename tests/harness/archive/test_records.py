"""Verdicts and records as JSON: everything comes back, and nothing else is accepted."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.types import (
    STAGES,
    CaseQuality,
    CaseScore,
    Comparison,
    Duel,
    Environment,
    Interval,
    Quality,
    Rejected,
    Samples,
    Score,
    Scored,
    Verdict,
)
from harness.archive import records
from harness.archive.records import (
    Record,
    RecordError,
    dump,
    entry_of,
    load,
    pending_from_bytes,
    pending_to_bytes,
    proposal_from_bytes,
    record_from_bytes,
    record_of,
    record_to_bytes,
)
from harness.turns import read_turns, transcript
from harness.types import (
    KINDS,
    Attempt,
    Candidate,
    Claimed,
    Confirmation,
    Finish,
    Imported,
    Message,
    Pending,
    Proposal,
    Request,
    Turn,
    Usage,
)
from tests.harness.archive.archives import read_verdict, stored_verdict
from tests.harness.builders import REJECTED, duel, scored
from tests.harness.qualities import judged

numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=()), max_size=20)
ids = st.lists(st.text("0123456789abcdef", min_size=40, max_size=40), min_size=1, max_size=3).map(tuple)
metrics = st.dictionaries(texts, numbers, max_size=3)
intervals = st.tuples(numbers, numbers, numbers).map(sorted).map(lambda v: Interval(low=v[0], median=v[1], high=v[2]))
times = st.integers(1, 2**40)
samples = st.lists(st.tuples(times, times, numbers, numbers, times), min_size=1, max_size=5).map(
    lambda pairs: Samples(
        candidate_us=tuple(pair[0] for pair in pairs),
        reference_us=tuple(pair[1] for pair in pairs),
        rounds=(1,) * len(pairs),
        candidate_quality=tuple(pair[2] for pair in pairs),
        reference_quality=tuple(pair[3] for pair in pairs),
        calls=tuple(pair[4] for pair in pairs),
    )
)
qualities = st.builds(CaseQuality, case=texts, value=numbers, ceiling=numbers, metrics=metrics)
cases = st.builds(
    CaseScore,
    quality=qualities,
    runtime_ms=numbers,
    reference_ms=numbers,
    speedup=intervals,
    samples=samples,
    gain=st.none() | intervals,
    reference_quality=numbers,
)
scores = st.builds(
    Score,
    quality=st.builds(Quality, name=texts, value=numbers, ceiling=numbers),
    runtime_ms=numbers,
    speedup=intervals,
    cases=st.lists(cases, max_size=2).map(tuple),
    metrics=metrics,
    gain=st.none() | intervals,
    pass_quality=st.none() | numbers,
    secret=texts,
)
environments = st.builds(
    Environment,
    **dict.fromkeys(("device", "hardware", "python", "torch", "kernel", "sandbox", "task", "reference"), texts),
    cores=st.integers(1, 99),
    threads=st.integers(1, 99),
    empty_call_us=st.integers(0, 99),
    warnings=st.lists(texts, max_size=2).map(tuple),
)
verdicts: st.SearchStrategy[Verdict] = st.one_of(
    st.builds(Rejected, stage=st.sampled_from(STAGES), reason=texts, detail=texts),
    st.builds(Scored, score=scores, environment=environments),
)
counts = st.integers(0, 2**60)
turns = st.builds(
    Turn,
    text=texts,
    model=texts,
    finish=st.sampled_from(get_args(Finish)),
    usage=st.builds(Usage, input_tokens=counts, cached_tokens=counts, output_tokens=counts),
    usd=numbers,
    seconds=numbers,
    tries=st.integers(0, 9),
    note=texts,
    refusal=texts,
)
messages = st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), text=texts)
requests = st.builds(
    Request,
    kind=st.sampled_from(KINDS),
    parents=ids,
    model=texts,
    messages=st.lists(messages, min_size=1, max_size=2).map(tuple),
    max_output_tokens=st.none() | counts,
    inspirations=ids,
)
proposals = st.builds(
    Proposal,
    turns=st.lists(turns, max_size=2).map(tuple),
    kind=st.sampled_from(KINDS),
    parents=ids,
    reply=texts,
    proposer=texts,
    inspirations=ids,
    model=texts,
    usd=numbers,
    tokens=st.integers(0, 2**60),
)
pendings = st.builds(
    Pending,
    ticket=counts,
    proposal=proposals,
    request=st.none() | requests,
    answered=st.booleans(),
    bound_usd=numbers,
    bound_tokens=counts,
    owner=texts,
)
tiers = st.lists(st.sampled_from(["exact", "blanks", "indent"]), max_size=3).map(tuple)
candidates = st.builds(
    Candidate,
    name=texts,
    description=texts,
    source=texts,
    tiers=tiers,
    warnings=st.lists(texts, max_size=2).map(tuple),
)
comparisons: st.SearchStrategy[Comparison] = st.sampled_from(["better", "worse", "undecided"])
duels = st.builds(
    Duel,
    comparison=comparisons,
    level=numbers,
    speedup=intervals,
    certain=intervals,
    samples=st.lists(samples, max_size=2).map(tuple),
    environment=environments,
    gain=st.none() | intervals,
    certain_gain=st.none() | intervals,
    secret=texts,
)
confirmations = st.builds(Confirmation, against=texts, duel=duels) | st.builds(
    Confirmation, against=texts, failure=st.text("abc", min_size=1)
)
attempts = st.builds(
    Attempt,
    number=st.integers(0, 10**7),
    proposal=proposals,
    candidate=st.one_of(st.none(), candidates),
    verdict=verdicts,
    seconds=numbers,
    confirmations=st.lists(confirmations, max_size=2).map(tuple),
    ticket=st.integers(0, 10**7),
)


@given(verdicts)
@settings(max_examples=60)
def test_a_verdict_round_trips(verdict: Verdict) -> None:
    assert read_verdict(stored_verdict(verdict)) == verdict


@given(attempts)
@settings(max_examples=60)
def test_a_record_round_trips_and_becomes_an_entry(attempt: Attempt) -> None:
    record = record_of(attempt, number=attempt.number, config="c" * 40, ticket="")
    data = record_to_bytes(record)
    assert data.isascii()
    assert record_from_bytes(data) == record
    entry = entry_of(record, commit="a" * 40, program_id="b" * 40, when_s=1)
    assert (entry.verdict, entry.parents, entry.usd) == (
        attempt.verdict,
        attempt.proposal.parents,
        attempt.proposal.usd,
    )
    assert entry.confirmations == attempt.confirmations
    assert entry.ticket_number == attempt.ticket
    if turns := attempt.proposal.turns:
        assert read_turns(transcript(attempt.proposal), entry.turns) == turns
    assert entry.tiers == (attempt.candidate.tiers if attempt.candidate else ())


@given(pendings)
@settings(max_examples=60)
def test_a_ticket_round_trips(pending: Pending) -> None:
    data = pending_to_bytes(pending)
    assert data.isascii()
    assert pending_from_bytes(data) == pending


def test_a_proposal_of_an_earlier_version_is_read() -> None:
    old = {
        "kind": "patch",
        "parents": ["a" * 40],
        "reply": "",
        "proposer": "test",
        "inspirations": [],
        "model": "m",
        "usd": 0.5,
        "tokens": 7,
    }
    found = proposal_from_bytes(json.dumps(old).encode(), "the reply")
    assert found == Proposal(
        kind="patch", parents=("a" * 40,), reply="the reply", proposer="test", model="m", usd=0.5, tokens=7
    )


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.booleans() | numbers | texts, st.lists).map(repr).map(str.encode)
)
@settings(max_examples=60)
def test_any_other_bytes_are_a_record_error(data: bytes) -> None:
    with pytest.raises(RecordError):
        record_from_bytes(data)


def test_scores_of_earlier_versions_have_no_time_of_loading() -> None:
    verdict = scored(0.5, 2.0)
    stored = dump(verdict)
    assert stored["score"].pop("load_s") == 0.25
    old = load(Scored, stored, "old")
    assert old == dataclasses.replace(verdict, score=dataclasses.replace(verdict.score, load_s=0.0))


def test_scores_of_earlier_versions_have_no_qualities_of_calls() -> None:
    verdict = judged(scored(0.5, 2.0))
    stored = dump(verdict)
    for key in ("gain", "pass_quality", "secret"):
        assert stored["score"].pop(key)
    [case] = stored["score"]["cases"]
    assert case.pop("gain") and case.pop("reference_quality") == 0.9
    for key in ("candidate_quality", "reference_quality", "calls"):
        assert len(case["samples"].pop(key)) == 6
    old = load(Scored, stored, "old").score
    assert old.gain is old.pass_quality is old.cases[0].gain is None and old.secret == ""
    assert old.quality_interval.low == old.quality_interval.high == old.quality.value
    assert old.cases[0].interval.low == old.cases[0].value == old.cases[0].quality.value
    fought = dataclasses.replace(duel(1.2), gain=None, certain_gain=None, secret="")
    stored = dump(fought)
    for key in ("gain", "certain_gain", "secret"):
        assert not stored.pop(key)
    assert load(Duel, stored, "old") == fought


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        ({"candidate_quality": [0.5]}, "expected qualities and a call for each"),
        ({"candidate_quality": [math.inf] * 6}, "expected a finite number"),
        ({"calls": []}, "expected qualities and a call for each"),
        ({"calls": [0.5] * 6}, "expected int"),
    ],
)
def test_qualities_that_do_not_go_with_the_times_are_refused(samples: dict[str, Any], told: str) -> None:
    stored = dump(judged(scored(0.5, 2.0)))
    stored["score"]["cases"][0]["samples"] |= samples
    with pytest.raises(RecordError, match=told):
        load(Scored, stored, "a score")


def test_the_page_on_the_format_names_every_key_of_a_score_and_a_duel() -> None:
    page = (Path(records.__file__).parent / "README.md").read_text()
    for kind in (Score, CaseScore, CaseQuality, Samples, Duel, Quality):
        for field in dataclasses.fields(kind):
            key, optional = field.metadata.get("stored", field.name), ["gain", "secret", "calls"]
            assert f"`{key}`" in page, f"{kind.__name__}.{key}"
            assert key not in optional or f"`{key}` *" in page, "a default is marked"


def test_a_record_has_one_key_per_line() -> None:
    proposal = Proposal(kind="patch", parents=("a" * 40,), reply="", proposer="test")
    record = record_of(
        Attempt(number=1, proposal=proposal, candidate=None, verdict=scored(0.5, 2.0)), number=1, config="", ticket=""
    )
    lines = record_to_bytes(record).decode().splitlines()
    written = [field for field in dataclasses.fields(Record) if "omitted" not in field.metadata]
    assert len(lines) == len(written) + 2


def test_the_page_on_the_format_lists_the_keys_of_a_record() -> None:
    page = (Path(records.__file__).parent / "README.md").read_text()
    section = page.partition("### `attempt.json`\n")[2].partition("\n### ")[0]
    listed = re.findall(r"^\| `(\w+)`( \*)? \|", section, re.MULTILINE)
    imported = Imported(claimed=Claimed(framework="openevolve", id="a", scores={"combined_score": 0.5}))
    proposal = Proposal(kind="import", parents=("a" * 40,), reply="", proposer="openevolve", imported=imported)
    attempt = Attempt(number=1, proposal=proposal, candidate=None, verdict=scored(0.5, 2.0), gates=())
    written = json.loads(record_to_bytes(record_of(attempt, number=1, config="", ticket="")))
    assert sorted(key for key, _ in listed) == sorted(written)
    for key, optional in listed:
        without = json.dumps({name: value for name, value in written.items() if name != key}).encode()
        if optional:
            absent = {"claimed", "gates"}  # of these no key is the default
            kept = {name: value for name, value in written.items() if name != key or key not in absent}
            assert json.loads(record_to_bytes(record_from_bytes(without))) == kept
        else:
            with pytest.raises(RecordError, match=f"expected {key}, found no such key"):
                record_from_bytes(without)


def test_a_ticket_keeps_what_is_imported_and_others_do_not_mention_it() -> None:
    imported = Imported(
        claimed=Claimed(framework="shinka", id="a", scores={"balance": 0.5}), name="n", description="d", warnings=("w",)
    )
    proposal = Proposal(kind="import", parents=("a" * 40,), reply="x = 1", proposer="shinka", imported=imported)
    pending = Pending(ticket=3, proposal=proposal, answered=True)
    assert pending_from_bytes(pending_to_bytes(pending)) == pending
    other = dataclasses.replace(proposal, kind="rewrite", imported=None)
    assert b"imported" not in pending_to_bytes(dataclasses.replace(pending, proposal=other))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_never_written(bad: float) -> None:
    good = scored(0.5, 2.0)
    verdict = dataclasses.replace(good, score=dataclasses.replace(good.score, runtime_ms=bad))
    with pytest.raises(ValueError, match="runtime_ms: expected a finite number"):
        stored_verdict(verdict)


def test_numbers_of_numpy_are_written_as_plain_ones() -> None:
    quality = CaseQuality(case="c", value=np.float64(0.5), ceiling=1, metrics={"moves": np.int64(3)})  # type: ignore[arg-type, dict-item]
    good = scored(0.5, 2.0)
    case = dataclasses.replace(
        good.score.cases[0],
        quality=quality,
        samples=Samples(candidate_us=(np.int64(7),), reference_us=(8,)),  # type: ignore[arg-type]
    )
    verdict = dataclasses.replace(good, score=dataclasses.replace(good.score, cases=(case,)))
    assert read_verdict(stored_verdict(verdict)) == verdict


def broken(change: str) -> Any:
    data = stored_verdict(scored(0.5, 2.0))
    score = data["scored"]["score"]
    match change:
        case "text for a number":
            score["runtime_ms"] = "5"
        case "true for a count":
            data["scored"]["environment"]["cores"] = True
        case "a whole number too few":
            score["cases"][0]["samples"]["reference_us"] = []
        case "a fraction for a sample":
            score["cases"][0]["samples"]["candidate_us"] = [1.5]
        case "an unknown key":
            score["extra"] = 1
        case "a missing key":
            del score["quality"]
        case "an interval upside down":
            score["speedup"]["low"] = 9.0
        case "two verdicts":
            data["rejected"] = stored_verdict(REJECTED)["rejected"]
        case "an unknown stage":
            data = {"rejected": {"stage": "lunch", "reason": "", "detail": ""}}
        case "infinity":
            score["runtime_ms"] = math.inf
        case _:
            data = change
    return data


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("text for a number", r"scored\.score\.runtime_ms: expected float, found str '5'"),
        ("true for a count", r"environment\.cores: expected int, found bool"),
        ("a whole number too few", r"cases\[0\]\.samples: expected as many"),
        ("a fraction for a sample", r"candidate_us\[0\]: expected int, found float"),
        ("an unknown key", "found also extra"),
        ("a missing key", "expected quality, found no such key"),
        ("an interval upside down", "expected low <= median"),
        ("two verdicts", "expected one key"),
        ("an unknown stage", "lunch"),
        ("infinity", "finite"),
        ("no object at all", "expected dict"),
    ],
)
def test_values_that_are_never_written_are_refused(change: str, said: str) -> None:
    with pytest.raises(RecordError, match=said):
        read_verdict(broken(change))


def test_a_missing_field_with_a_default_is_accepted() -> None:
    data = stored_verdict(scored(0.5, 2.0))
    del data["scored"]["environment"]["empty_call_us"]
    assert read_verdict(data) == scored(0.5, 2.0)


def test_a_record_without_confirmations_and_rounds_is_read() -> None:
    proposal = Proposal(kind="patch", parents=("a" * 40,), reply="", proposer="test")
    attempt = Attempt(number=1, proposal=proposal, candidate=None, verdict=scored(0.5, 2.0))
    record = record_of(attempt, number=1, config="", ticket="")
    old = json.loads(record_to_bytes(record))
    for later in ("confirmations", "turns", "ticket_number"):
        del old[later]
    for case in old["verdict"]["scored"]["score"]["cases"]:
        del case["samples"]["rounds"]
    assert record_from_bytes(json.dumps(old).encode()) == record
