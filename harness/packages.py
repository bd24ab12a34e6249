"""The files of an installable package round a solver, for an engine that calls it.

Owns: what stands in such a package, and its provenance. Does not know: how a solver is judged or checked, where the
package is written, any task's files (see `Engine`).

A package needs nothing of packsmith. Its module holds the solver byte for byte, the engine's files as they are shipped,
and `provenance.json`, which says where the solver comes from, how it was measured, and the settings of the package.
"""

from __future__ import annotations

import hashlib
import json
import keyword
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from string import Template
from typing import Any

from evaluator import Agreement, BusyTime, Engine, Interval, Score, Scored
from evaluator.shipped import shipped
from harness.types import HarnessError

SOLVER, PROVENANCE = "solver.py", "provenance.json"

_README = """\
# $name

A solver found or measured by packsmith, packaged for $engine. It needs numpy and torch; numba is used where it is
installed. `$module/provenance.json` says where the solver comes from and how it was measured.

## Use

    pip install .
    python -m $module.selftest

$how
## What protects you

$protects- Before it was packaged, the solver gave the same plans with all of these:
$conditions

$figures"""


class PackageError(HarnessError):
    """No package can be made of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a solver comes from: its name, and of an attempt its run, number and commit."""

    name: str
    run: str = ""
    attempt: int | None = None
    commit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """All that goes into a package. `min_gain` is in units of quality. Raises PackageError for an invalid name."""

    engine: Engine
    task: str
    name: str
    source: str
    origin: Origin
    verdict: Scored
    quality_key: str
    agreement: Agreement
    busy: tuple[BusyTime, ...]
    min_gain: float
    version: str

    def __post_init__(self) -> None:
        if not (self.name.isascii() and self.name.isidentifier()) or keyword.iskeyword(self.name):
            raise PackageError(f"--name {self.name}: expected letters, digits and _, beginning with a letter")

    def files(self) -> dict[str, bytes]:
        """The contents of every file, by its path in the package's folder."""
        inside = {name: shipped(path).read_bytes() for name, path in self.engine.files.items()}
        inside["__init__.py"] = f'"""{self._about}: see README.md and {PROVENANCE}."""\n'.encode()
        inside[SOLVER] = self.source.encode("utf-8")
        inside[PROVENANCE] = (json.dumps(self.provenance(), indent=2, allow_nan=False) + "\n").encode()
        return {
            "pyproject.toml": self._pyproject().encode(),
            "README.md": self._readme().encode(),
            **{f"{self.name}/{name}": data for name, data in inside.items()},
        }

    @property
    def _about(self) -> str:
        return f"A solver of {self.task} for {self.engine.name}, packaged by packsmith"

    def provenance(self) -> dict[str, Any]:
        """Where the solver comes from, how it was measured, and the settings, as JSON values."""
        digest = hashlib.sha256(self.source.encode("utf-8")).hexdigest()
        origin: dict[str, Any] = {"name": self.origin.name, "sha256": digest}
        if self.origin.run:
            origin |= {"run": self.origin.run, "attempt": self.origin.attempt, "commit": self.origin.commit}
        return {
            "packsmith": self.version,
            "task": self.task,
            "engine": self.engine.name,
            "solver": origin,
            "score": score_record(self.verdict.score, self.quality_key),
            "machine": asdict(self.verdict.environment),
            "agreement": {"conditions": list(self.agreement.conditions), "inputs": self.agreement.inputs},
            "busy": [{**asdict(figure), "switch_s": self.engine.switch_s} for figure in self.busy],
            "settings": {"min_gain": self.min_gain, "switch_s": self.engine.switch_s},
        }

    def _pyproject(self) -> str:
        distribution = self.name.replace("_", "-").strip("-")
        lines = [
            "[build-system]",
            'requires = ["setuptools>=61"]',
            'build-backend = "setuptools.build_meta"',
            "",
            "[project]",
            f'name = "{distribution}"',
            'version = "1.0"',
            f'description = "{self._about}"',
            'readme = "README.md"',
            'requires-python = ">=3.10"',
            'dependencies = ["numpy", "torch"]',
            "",
        ]
        for group, target in self.engine.entry_points.items():
            lines += [f'[project.entry-points."{group}"]', f'{self.name} = "{self.name}.{target}"', ""]
        lines += ["[tool.setuptools]", f'packages = ["{self.name}"]', ""]
        lines += ["[tool.setuptools.package-data]", f'{self.name} = ["{PROVENANCE}"]', ""]
        return "\n".join(lines)

    def _readme(self) -> str:
        names = {"name": self.name, "module": self.name}
        return Template(_README).substitute(
            names,
            engine=self.engine.name,
            how=Template(self.engine.how).substitute(names),
            protects=Template(self.engine.protects).substitute(min_gain=f"{self.min_gain:g}"),
            conditions="\n".join(f"  - {condition}" for condition in self.agreement.conditions),
            figures=self._figures(),
        )

    def _figures(self) -> str:
        score, machine = self.verdict.score, self.verdict.environment
        lines = [
            "## Measured",
            "",
            f"| case | {self.quality_key} | ms | times as fast as the reference |",
            "|---|---|---|---|",
        ]
        for case in score.cases:
            quality, faster = _bounds(case.interval, 4), _bounds(case.speedup, 2)
            lines.append(f"| {case.quality.case} | {quality} | {case.runtime_ms:.3g} | {faster} |")
        reference = machine.reference.rpartition(" ")[0]
        lines += ["", f"With 95 % intervals, on {machine.hardware}, torch {machine.torch}, against {reference}.", ""]
        for figure in self.busy:
            lines.append(
                f"- {figure.case}: {figure.alone_ms:.3g} ms alone, {figure.busy_ms:.3g} ms beside a thread that is "
                f"busy in Python, which it holds up for {figure.held_ms:.2g} ms, as the solver's process reports."
            )
        return "\n".join(lines).rstrip() + "\n"


def _bounds(value: Interval, digits: int) -> str:
    return f"{value.median:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def _interval(value: Interval) -> dict[str, float]:
    return {"mean": value.median, "low": value.low, "high": value.high}


def score_record(score: Score, key: str) -> Mapping[str, Any]:
    """A score without its raw samples, with intervals, as JSON values."""
    cases = [
        {
            "name": case.quality.case,
            key: _interval(case.interval),
            "ceiling": case.quality.ceiling,
            "runtime_ms": case.runtime_ms,
            "speedup": _interval(case.speedup),
        }
        for case in score.cases
    ]
    whole = {
        key: _interval(score.quality_interval),
        "runtime_ms": score.runtime_ms,
        "speedup": _interval(score.speedup),
    }
    return {"quality": score.quality.name, **whole, "cases": cases}
