"""The secret loads of scored calls: drawn afresh for one measurement, and drawn again from its secret later.

Owns: how a secret and the number of a call give the loads and the seed of that call. Does not know: who answers calls,
what a good answer is, where secrets are stored.

A draw is a case with fresh data, and takes its steps in order, as the pass does. All draws of a case have the same
number of steps, so call number n is step n % steps of draw n // steps. A secret serves one measurement: no two attempts
share a draw.
"""

from __future__ import annotations

import hashlib
import secrets

import numpy as np

from evaluator.task_protocol import Task
from evaluator.types import Case


def new_secret() -> str:
    """A fresh secret from the operating system: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def derived_seed(*parts: object) -> int:
    """48 bits that follow from the parts, the same on every machine."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


class Draws:
    """The draws of one case under one secret. Keeps the last one, since its calls come one after the other."""

    def __init__(self, task: Task, case: Case, secret: str) -> None:
        self._task, self._case, self._secret = task, case, secret
        self._last = 0, self._draw(0)
        self.steps = task.steps(self._last[1])

    def _draw(self, number: int) -> Case:
        parts = (derived_seed(self._secret, self._case.name, number, part) for part in range(4))
        return self._task.draw(self._case, np.random.default_rng([*parts]))

    def at(self, call: int) -> tuple[Case, int]:
        """The case with fresh data, and the step, of call number `call`."""
        number, step = divmod(call, self.steps)
        if self._last[0] != number:
            self._last = number, self._draw(number)
        return self._last[1], step

    def seed(self, call: int) -> int:
        """The seed of a worker's generators in this call."""
        return derived_seed(self._secret, self._case.name, "call", call)
