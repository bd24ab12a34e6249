"""A recording of expert loads: its sources in order, and the layers and windows that were chosen of it.

Owns: the numbers of layers and windows, selections of them, and what a recording is said to hold. Does not know: file
formats (see `traces`, `trace_files`), formulas of the figures, tables.

Shapes: T steps, W windows, L layers, E experts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.loads import Drift, LoadsReport, Ranges, StepKinds, WindowFigures, Written
from evaluator.tasks.eplb import trace_files
from evaluator.tasks.eplb.drift import ageing, drift_between, noise_by_layer, regimes
from evaluator.tasks.eplb.planning_windows import advise, last_regime
from evaluator.tasks.eplb.skew import layer_skews, peak
from evaluator.tasks.eplb.step_kinds import prefill_threshold
from evaluator.tasks.eplb.steps import MAX_VALUES, Floats, Steps, Windowed, shortened, windowed
from evaluator.tasks.eplb.traces import read_windowed
from evaluator.types import WorkloadError

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window: its number in the recording, its source's name, its loads `[L, E]`, and its steps `[T, L, E]`."""

    number: int
    source: str
    loads: Floats
    steps: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The chosen windows with load, in the order of time, and all steps `[T, L, E]` of sources that were not cut.

    `layers`: the numbers of all layers of the arrays. `rest`: the steps after the last window of each source, which are
    in no window; () if windows were chosen. `summed`: whether windows were asked for by their number of steps.
    `one_kind`: whether these are the decode or the prefill steps alone.
    """

    sources: tuple[str, ...]
    windows: tuple[Window, ...]
    layers: tuple[int, ...]
    parts: tuple[Floats, ...]
    summed: bool
    one_kind: bool
    notes: tuple[str, ...]
    say: Say

    def describe(self) -> LoadsReport:
        """What is in the chosen windows. Raises WorkloadError if they have no load."""
        whole_LE = np.sum([window.loads for window in self.windows], axis=0)
        loaded_L = whole_LE.any(axis=1)
        if not loaded_L.any():
            raise WorkloadError("expected some load in what is chosen, found only zeros: choose others")
        numbers = [layer for layer, loaded in zip(self.layers, loaded_L, strict=True) if loaded]
        kept = slice(None) if loaded_L.all() else loaded_L
        full = [window for window in self.windows if window.loads.any()]
        loads = [window.loads[kept] for window in full]
        kinds, shares = self._kinds(full, kept, numbers)
        figures = self._figures(full, loads, numbers, shares, kept)
        whole_LE = whole_LE[kept]
        idle = [window.number for window in self.windows if not window.loads.any()]
        notes = [f"windows without any load, left out: {shortened(idle, len(idle))}"] if idle else []
        return LoadsReport(
            sources=self.sources,
            steps=sum(len(window.steps) for window in self.windows),
            experts=whole_LE.shape[1],
            layers=layer_skews(whole_LE, numbers),
            empty_layers=tuple(layer for layer in self.layers if layer not in set(numbers)),
            windows=figures,
            kinds=kinds,
            ageing=ageing(loads[last_regime(figures) :]),
            advice=advise(loads, figures, kinds),
            map=whole_LE / whole_LE.mean(axis=1, keepdims=True),
            notes=(*self.notes, *notes),
        )

    def _kinds(
        self, windows: Sequence[Window], kept: Any, numbers: Sequence[int]
    ) -> tuple[StepKinds | None, list[float | None]]:
        """The kinds of step of all windows, and the share of prefill in the load of each."""
        self.say("telling prefill steps from decode steps")
        totals = [window.steps.sum(axis=(1, 2)) for window in windows]
        threshold = None if self.one_kind else prefill_threshold(np.concatenate(totals))
        if threshold is None:
            return None, [None] * len(windows)
        shares: list[float | None] = [float(each[each >= threshold].sum() / each.sum()) for each in totals]
        sums = [np.zeros_like(windows[0].loads[kept]) for _ in range(2)]
        for window, each in zip(windows, totals, strict=True):
            prefill_LE = window.steps[each >= threshold].sum(axis=0)[kept]
            sums[1] += prefill_LE
            sums[0] += np.maximum(window.loads[kept] - prefill_LE, 0.0)
        every = np.concatenate(totals)
        decode, prefill = every[(every > 0) & (every < threshold)], every[every >= threshold]
        return (
            StepKinds(
                decode=len(decode),
                prefill=len(prefill),
                decode_load=float(decode.mean()) / len(numbers),
                prefill_load=float(prefill.mean()) / len(numbers),
                prefill_share=float(prefill.sum() / every.sum()),
                drift=drift_between(sums[0], sums[1], numbers),
            ),
            shares,
        )

    def _figures(
        self,
        windows: Sequence[Window],
        loads: Sequence[Floats],
        numbers: Sequence[int],
        shares: Sequence[float | None],
        kept: Any,
    ) -> tuple[WindowFigures, ...]:
        drifts: list[Drift | None] = []
        noise_before: Floats | None = None
        for index, window in enumerate(windows):
            self.say(f"drift: window {index + 1} of {len(windows)}")
            noise = noise_by_layer(window.steps)
            noise = None if noise is None else noise[kept]
            before = loads[index - 1] if index else None
            noises = (noise_before, noise)
            drifts.append(None if before is None else drift_between(before, loads[index], numbers, noises))
            noise_before = noise
        letters = regimes(loads, drifts)
        return tuple(
            WindowFigures(
                number=window.number,
                source=window.source,
                steps=len(window.steps),
                load=float(loads[index].sum()) / len(numbers),
                peak=_median_peak(loads[index]),
                prefill_share=shares[index],
                drift=drifts[index],
                regime=letters[index],
            )
            for index, window in enumerate(windows)
        )

    def write(self, form: str, file: Path) -> Written:
        """Write the recording into a new file: each window summed, if windows were asked for by their number of steps,
        else each step. Raises WorkloadError.
        """
        parts = [window.loads[None] for window in self.windows] if self.summed else list(self.parts)
        idle = 0
        if not trace_files.keeps_idle(form):
            rows = sum(map(len, parts))
            parts = [part[part.any(axis=(1, 2))] for part in parts]
            idle = rows - sum(map(len, parts))
        count = sum(map(len, parts))
        if not count:
            raise WorkloadError(f"{file}: expected some load to write, found only zeros: choose others")
        shape = (count, *parts[0].shape[1:])
        self.say(f"writing {count} rows")
        trace_files.write(form, file, iter(parts), shape)
        left_out = (f"left out {idle} rows without load, which this format marks as unused",) if idle else ()
        return Written(
            rows="windows" if self.summed else "steps",
            count=count,
            layers=shape[1],
            experts=shape[2],
            notes=(*self.notes, *left_out, *trace_files.reading_notes(form, self.summed)),
        )


def _median_peak(loads_LE: Floats) -> float:
    return float(np.median(peak(loads_LE[loads_LE.any(axis=1)])))


def read_recording(
    paths: Sequence[Path], options: Mapping[str, Any], layers: Ranges, windows: Ranges, say: Say
) -> Recording:
    """The recording in files and folders; `layers` and `windows` choose some of it, all if empty. `options` may hold
    `steps_per_window`, and `only` with a kind of step. Raises WorkloadError.
    """
    per_window: int | None = options.get("steps_per_window")
    parts: list[Windowed] = []
    say(f"reading {paths[0]}" if paths else "reading")
    for part in read_windowed(paths, per_window):
        parts.append(part)
        say(f"read {part.where}: {len(part.steps)} steps, {len(parts)} of {len(paths)}")
        if sum(each.steps.size for each in parts) > MAX_VALUES:
            raise WorkloadError(f"expected at most {MAX_VALUES} loads in all files, found more: give fewer files")
    if options.get("only"):
        parts = _of_one_kind(parts, options["only"], per_window)
    count = parts[0].steps.shape[1]
    numbers = _chosen(layers, count, "layers")
    kept = list(numbers) if layers else slice(None)
    every = [window for part in parts for window in _windows(part, kept)]
    made = [
        Window(number=number, source=window.source, loads=window.loads, steps=window.steps)
        for number, window in enumerate(every)
    ]
    chosen = tuple(made[number] for number in _chosen(windows, len(made), "windows"))
    return Recording(
        sources=tuple(str(part.where) for part in parts),
        windows=chosen,
        layers=numbers,
        parts=tuple(window.steps for window in chosen) if windows else tuple(part.steps[:, kept] for part in parts),
        summed=per_window is not None,
        one_kind=bool(options.get("only")),
        notes=tuple(note for part in parts for note in part.notes),
        say=say,
    )


def _of_one_kind(parts: Sequence[Windowed], kind: str, per_window: int | None) -> list[Windowed]:
    """The sources with their decode or their prefill steps alone, in windows of that many of them."""
    totals = [part.steps.sum(axis=(1, 2)) for part in parts]
    threshold = prefill_threshold(np.concatenate(totals))
    if threshold is None:
        raise WorkloadError(
            f"--only {kind}: expected two kinds of step whose loads differ by far, found one in "
            f"{sum(map(len, totals))} steps: leave it out, or give a recording of single steps"
        )
    made = []
    for part, each in zip(parts, totals, strict=True):
        wanted = each >= threshold if kind == "prefill" else (each > 0) & (each < threshold)
        if wanted.any():
            note = f"{part.where}: kept {int(wanted.sum())} {kind} steps of {len(each)}"
            steps = Steps(where=part.where, loads=part.steps[wanted], per_window=None, notes=(note,))
            made.append(windowed(steps, per_window))
    return made


def _windows(part: Windowed, kept: Any) -> Iterator[Window]:
    for index, loads in enumerate(part.windows):
        steps = part.steps[index * part.size : (index + 1) * part.size]
        yield Window(number=index, source=part.where.name, loads=loads[kept], steps=steps[:, kept])


def _chosen(ranges: Ranges, count: int, what: str) -> tuple[int, ...]:
    """The numbers in the ranges, in order, each once; all of 0 to count - 1 for no ranges. Raises WorkloadError."""
    for _, last in ranges:
        if last >= count:
            raise WorkloadError(f"--{what}: expected numbers of 0 to {count - 1}, found {last}: these are all {what}")
    if not ranges:
        return tuple(range(count))
    return tuple(sorted({number for first, last in ranges for number in range(first, last + 1)}))
