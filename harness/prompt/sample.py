"""Sample material, to check before a search begins that its templates can be rendered.

Owns: material with every value filled in, and material with as few as possible. Does not know: any search. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.prompt.build import render
from harness.prompt.conversation import TEMPLATE, told
from harness.prompt.material import Failure, Frame, IdeaGroup, Material, Results, Shown, Summary
from harness.prompt.merge import Clash, Merge
from harness.prompt.templates import Templates
from harness.types import Kind

PROMPT_KINDS: tuple[Kind, ...] = ("patch", "rewrite", "crossover", "repair")
"""The kinds of proposal that a model is asked for."""

_SHOWN = Shown(
    label="attempt 1",
    name="a_name",
    description="What it does.",
    text="answer = 1\n",
    patch="a patch\n",
    summary="good",
    results=lambda: Results(table="a table", losses=("a loss",)),
    marked=True,
)
_FAILURE = Failure(
    label="attempt 2",
    name="another",
    stage="run",
    reason="exception",
    detail="it raised",
    reply="a reply",
    change="one",
)


def check(frame: Frame, templates: Templates) -> None:
    """Render every kind of prompt, with full and with bare material. Raises HarnessError for the first that fails."""
    for kind in PROMPT_KINDS:
        for material in _samples(kind):
            render(material, frame, templates)
        for stage in ("patch", "run"):
            templates.render(TEMPLATE, told(kind, stage, "reason", "detail"))


def _samples(kind: Kind) -> Iterator[Material]:
    full = Material(
        kind=kind,
        goal="more",
        parent=_SHOWN,
        other=_SHOWN,
        failed=_FAILURE,
        best="better",
        seed="as it was",
        machine="one",
        tried=("a line",),
        ideas=(IdeaGroup(title="What helped", lines=("an idea",)),),
        tally="one idea",
        summary=Summary(label="attempt 3", text="what was learnt"),
        summary_asked=100,
        inspirations=(_SHOWN, replace(_SHOWN, is_patch=True)),
        rejections=(_FAILURE,),
        advice=("do this",),
    )
    clash = Clash(first="a\n", base="b\n", second="c\n")
    bare = Shown(label="attempt 1", name="", description="", text="answer = 1\n")
    failed = replace(_FAILURE, name="", reply="", change="")
    least = Material(kind=kind, goal="more", parent=bare, other=bare, failed=failed)
    yield from (full, least)
    if kind == "crossover":
        yield replace(full, merge=Merge(base="attempt 0", conflicts=(clash,), first="one", second="two", rest="three"))
        yield replace(least, merge=Merge(base="attempt 0", conflicts=(replace(clash, second=""),)))
