"""Circle packing as the judge sees it: n disjoint circles in a rectangle, the sum of their radii as large as possible.

Owns: which calls a solver gets, what its packings are scored on, and the task's options. Does not know: how a solver is
run or timed. Beside it: validation in `answers`, exact arithmetic in `exact`, the ceiling in `bounds`.

The pass is the unit square, on which published values are. A packing of one fixed square could be a table of
coordinates, so scored calls ask for rectangles that are a little wider and higher, drawn afresh each time. They contain
the unit square: a program that knows nothing but a packing of the square stays valid, and wins nothing by the room.

The quality is the sum of the radii / its upper bound for the rectangle, so that rectangles compare; 1 is never reached.

Shapes: n circles; a plan is `[n, 3]` with x, y and r of each circle; the data of a case are [width, height].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evaluator.splits import HeldOut
from evaluator.task_protocol import Column, Ladder, TaskOption
from evaluator.tasks.circle_packing import answers
from evaluator.tasks.circle_packing.bounds import radii_bound
from evaluator.tasks.circle_packing.exact import inside
from evaluator.tasks.options import check_keys, items, whole_number
from evaluator.types import Answer, Array, Call, Case, CaseQuality, HardCase, Plan, WorkloadError

SUM = "sum_of_radii"
LONGEST = 1.1
"""The longest side of a drawn rectangle; the shortest is 1."""
HELD_OUT = {"gate": 1.2, "final": 1.35}
"""The same in held-out splits, where the shortest is LONGEST."""
MOST_CIRCLES = 200
"""The exact check looks at all pairs: of 200 circles it takes some 5 ms."""

COLUMNS = (Column(key=SUM, heading="sum of\nradii"),)
LADDER = Ladder(
    programs=(
        "programs/circle_packing/grid.py",
        "programs/circle_packing/gaps.py",
        "programs/circle_packing/barrier.py",
    ),
    metric=SUM,
    step=1e-3,
    note="Where n is a square or a little less, equal circles in a grid are hard to improve: a tie tells little there.",
)


def read_circles(text: str) -> int:
    """A number of circles on the command line."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise WorkloadError(f"--circles {text}: expected a whole number from 1 to {MOST_CIRCLES}")
    return int(text)


OPTIONS = (
    TaskOption(
        key="circles",
        flag="--circles",
        metavar="N",
        repeated=True,
        parse=read_circles,
        help="How many circles: a case of its own for each number; repeatable. Default: 26 and 32.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CirclePacking:
    """The task with its options. `circles`: a case for each number. `sides`: the shortest and the longest of a drawn
    rectangle. Raises WorkloadError.
    """

    circles: tuple[int, ...] = (26, 32)
    sides: tuple[float, float] = (1.0, LONGEST)

    def __post_init__(self) -> None:
        if not self.circles or len(set(self.circles)) < len(self.circles):
            raise WorkloadError(f"circles: expected different numbers, at least one, found {list(self.circles)}")
        for count in self.circles:
            if whole_number(count, "circles", least=1) > MOST_CIRCLES:
                raise WorkloadError(f"circles: expected at most {MOST_CIRCLES}, found {count}")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> CirclePacking:
        """The task from config values; strict. Raises WorkloadError."""
        check_keys(options, ("circles",), "task circle_packing")
        if options.get("circles") is None:
            return cls()
        return cls(circles=tuple(items(options["circles"], "circles")))

    @property
    def name(self) -> str:
        return "circle_packing"

    @property
    def version(self) -> int:
        return 1

    @property
    def entry_point(self) -> str:
        return "pack_circles"

    @property
    def quality_name(self) -> str:
        return "share_of_bound"

    @property
    def quality_key(self) -> str:
        return "share"

    @property
    def columns(self) -> tuple[Column, ...]:
        return COLUMNS

    @property
    def reference(self) -> str:
        return "programs/circle_packing/grid.py"

    @property
    def ladder(self) -> Ladder | None:
        return LADDER

    @property
    def resolution(self) -> float:
        """Some .0014 in the sum of the radii of 26 circles; the pass shows differences of any size."""
        return 0.0005

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    def cases(self, seed: int) -> tuple[Case, ...]:
        """The unit square for each number of circles, whatever the seed."""
        if seed < 0:
            raise WorkloadError(f"seed: expected a whole number of at least 0, found {seed}")
        return tuple(_case(f"n{count}", count, 1.0, 1.0) for count in self.circles)

    def hard_cases(self, seed: int) -> tuple[HardCase, ...]:
        """The unit square first, so that a claim about it is refused for what is wrong there; then the rectangles least
        like it that a draw can give. Of the numbers of circles that are scored: a table of coordinates has no others.
        """
        longest = self.sides[1]
        shapes = (("square", 1.0, 1.0), ("widest", longest, 1.0), ("highest", 1.0, longest))
        return tuple(
            self._hard(_case(word, count, width, height), f"n = {count} in {width:g} x {height:g}")
            for count in self.circles
            for word, width, height in shapes
        )

    def agreement_calls(self, seed: int) -> tuple[HardCase, ...]:
        """The square, which has eight equally good images of each packing, and a rectangle."""
        shapes = (("square", 1.0, 1.0), ("rectangle", LONGEST, 1.0))
        return tuple(
            self._hard(_case(word, count, width, height), f"n = {count} in a {word}")
            for count in self.circles
            for word, width, height in shapes
        )

    def _hard(self, case: Case, why: str) -> HardCase:
        return HardCase(case=case, call=self.call(case, 0, ()), why=why)

    @property
    def plan_axes(self) -> tuple[str, ...]:
        return ("circle", "x, y and radius")

    def identity(self) -> Mapping[str, Any]:
        told = {
            "name": self.name,
            "version": self.version,
            "circles": list(self.circles),
            "longest_side": self.sides[1],
        }
        return told if self.sides[0] == 1 else {**told, "shortest_side": self.sides[0]}

    def steps(self, case: Case) -> int:
        return 1

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        """`pack_circles(n)`. Offered: `width` and `height`, the sides of the rectangle, at least 1."""
        width, height = _sides(case)
        return Call(args=(case.sizes["circles"],), offered={"width": width, "height": height})

    def held_out(self, split: HeldOut) -> CirclePacking:
        """Rectangles beyond those of a search: a packing of the square, or a table of some rectangles, wins nothing by
        the room.
        """
        return replace(self, sides=(LONGEST, HELD_OUT[split]))

    def draw(self, case: Case, rng: np.random.Generator) -> Case:
        """A rectangle with both sides drawn evenly from the shortest to the longest."""
        width, height = rng.uniform(*self.sides, 2).tolist()
        return _case(case.name, case.sizes["circles"], width, height)

    def call_bytes(self, case: Case) -> int:
        return 0

    def answer_bytes(self, case: Case) -> int:
        return answers.answer_bytes(case.sizes["circles"])

    def read(self, case: Case, answer: Answer) -> Plan:
        """The packing, float64 `[n, 3]`. Raises InvalidAnswer."""
        return answers.read_answer(answer, case.sizes["circles"], *_sides(case))

    def step_quality(self, case: Case, step: int, plan: Plan) -> float:
        """The sum of the radii / its bound; 0 for a packing that is not inside this rectangle."""
        if not inside(plan, *_sides(case)):
            return 0.0
        return _sum(plan) / radii_bound(case.sizes["circles"], *_sides(case))

    def pass_quality(self, case: Case, step: int, plan: Plan) -> float:
        return self.step_quality(case, step, plan)

    def score(self, case: Case, plans: tuple[Plan, ...]) -> CaseQuality:
        [plan] = plans
        bound = radii_bound(case.sizes["circles"], *_sides(case))
        metrics = {SUM: _sum(plan), "bound": bound, "smallest_radius": float(plan[:, 2].min())}
        return CaseQuality(case=case.name, value=self.step_quality(case, 0, plan), ceiling=1.0, metrics=metrics)


def _case(name: str, circles: int, width: float, height: float) -> Case:
    return Case(name=name, sizes={"circles": circles}, data=np.array([width, height]))


def _sides(case: Case) -> tuple[float, float]:
    width, height = case.data.tolist()
    return width, height


def _sum(plan: Array) -> float:
    """Rounded once."""
    return math.fsum(plan[:, 2].tolist())
