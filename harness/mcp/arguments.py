"""The arguments of the tools, as agents read them in the tools' schemas.

Owns: names, types, limits and descriptions of arguments. Does not know: what the tools do.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.runs.asking import MOST_REPLY

MOST_TEXT = 200_000
"""Characters of one text of an attempt that one call returns."""
MOST_ROWS = 100
"""Attempts that one call lists."""
DEFAULT_LIMIT_S, MOST_LIMIT_S = 300, 3600
"""Seconds that a judgement may take."""

AttemptWord = Annotated[
    int | Annotated[str, Field(max_length=64)],
    Field(description="An attempt: its number, `best`, `seed`, or the beginning of its commit id."),
]
LimitS = Annotated[
    int,
    Field(ge=1, le=MOST_LIMIT_S, description="Stop judging after this many seconds, not counting the wait for others."),
]
AskedKind = Literal["patch", "rewrite", "crossover", "repair"]
TextPart = Literal["program", "diff", "reply"]
SearchedPart = Literal["name", "description", "reason", "program"]


class Arguments(BaseModel):
    """Arguments of a tool: nothing that is not listed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StatusArguments(Arguments):
    """None."""


class FrontArguments(Arguments):
    limit: int = Field(default=20, ge=1, le=MOST_ROWS, description="The most programs to return, fastest first.")


class AttemptArguments(Arguments):
    attempt: AttemptWord
    texts: list[TextPart] = Field(
        default=["program", "diff"],
        max_length=3,
        description="Which texts to return: the program, its diff against its first parent, the raw reply.",
    )
    offset: int = Field(default=0, ge=0, description="Return the texts from this character on.")
    limit: int = Field(default=30_000, ge=1, le=MOST_TEXT, description="The most characters of each text.")


class LogArguments(Arguments):
    before: int | None = Field(
        default=None, ge=0, description="Only attempts with a lower number; `next_before` of the page before."
    )
    limit: int = Field(default=20, ge=1, le=MOST_ROWS, description="The most attempts of a page, newest first.")
    scored: bool = Field(default=False, description="Only attempts with a score.")


class SearchArguments(Arguments):
    text: str = Field(min_length=1, max_length=200, description="The text to find, in either case; no pattern.")
    parts: list[SearchedPart] = Field(
        default=["name", "description", "reason"],
        min_length=1,
        max_length=4,
        description="Where to look; `reason` is why an attempt was rejected, `program` is slower.",
    )
    before: int | None = Field(
        default=None, ge=0, description="Only attempts with a lower number; `next_before` of the page before."
    )
    limit: int = Field(default=20, ge=1, le=MOST_ROWS, description="The most attempts to return, newest first.")


class AskArguments(Arguments):
    kind: AskedKind | None = Field(
        default=None, description="The kind of change to propose; by default drawn by the run's shares."
    )
    with_program: bool = Field(
        default=False, description="Also return the program to change, to be edited and told whole."
    )


class TellArguments(Arguments):
    ticket: int = Field(ge=1, description="The ticket that `ask` returned.")
    reply: str | None = Field(
        default=None,
        max_length=MOST_REPLY,
        description="The answer in the patch format that the prompt describes. Either this or `program`.",
    )
    program: str | None = Field(
        default=None, max_length=MOST_REPLY, description="The whole edited program, instead of a reply."
    )
    name: str = Field(default="", max_length=200, description="A short name of the change; only with `program`.")
    description: str = Field(default="", max_length=4000, description="What it does; only with `program`.")
    model: str = Field(default="", max_length=200, description="Who answers, for the statistics.")
    usd: float = Field(default=0.0, ge=0, le=1e6, allow_inf_nan=False, description="What the answer cost, in dollars.")
    tokens: int = Field(default=0, ge=0, le=10**12, description="The tokens that the answer used.")
    limit_s: LimitS = DEFAULT_LIMIT_S


class EvaluateArguments(Arguments):
    program: str = Field(min_length=1, max_length=MOST_REPLY, description="The source of a whole solver program.")
    limit_s: LimitS = DEFAULT_LIMIT_S


class AdviseArguments(Arguments):
    text: str = Field(description="One or two sentences that every later prompt of the run repeats.")
