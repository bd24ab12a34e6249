"""The small search with a model behind the stub: its overrides, and replies that tell themselves apart."""

from __future__ import annotations

from collections.abc import Sequence

from tests.cli.runs import QUICK, environment, patch

KEY = "sk-of-the-tests-0123456789"
MODEL = "stub-1"
ANCHOR = "def inverse(permutation: torch.Tensor) -> torch.Tensor:\n"
PRICE = (10.0, 40.0)
"""Dollars per million tokens of input and of output."""


def change(number: int) -> str:
    """A reply that applies to every program of the workshop, and makes another program for each number."""
    return patch(f"change_{number}", f"Change number {number}.", ANCHOR, f"# change {number}\n{ANCHOR}")


def prose(number: int) -> str:
    """A reply without a patch, unlike any other."""
    return f"I would rather talk about placement number {number} than change the program.\n"


def asking(base_url: str, *more: str, in_flight: int = 4, attempts: int | None = 8, repairs: int = 0) -> list[str]:
    """Options of `packsmith search tiny.yaml` that have the stub proposed, and little time spent on figures."""
    keys: Sequence[str] = (
        *QUICK,
        "proposer.kind=llm",
        f"proposer.repairs={repairs}",
        f"models[0].name={MODEL}",
        f"models[0].base_url={base_url}",
        "models[0].api_key_env=STUB_KEY",
        f"models[0].price.input={PRICE[0]}",
        f"models[0].price.output={PRICE[1]}",
        "models[0].max_output_tokens=200",
        f"search.in_flight={in_flight}",
        f"budget.attempts={attempts if attempts is not None else 'null'}",
        *more,
    )
    return [part for key in keys for part in ("-s", key)]


def with_key(**changes: str | None) -> dict[str, str]:
    """The environment with the stub's key."""
    return environment(STUB_KEY=KEY, **changes)
