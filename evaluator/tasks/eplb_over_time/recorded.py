"""Recorded steps of a course: cutting a recording into windows and intervals, and fresh ones with its statistics.

Owns: which rows make which window and interval, which of them are sampled, and how a draw differs from the recording.
Does not know: file formats (see the task `eplb`), placements, solvers, scores.

A recording of T steps, decode and prefill mixed, has room for N rebalances if T >= window + (N + 1) x interval: windows
end at `window`, `window + interval`, and so on. Of each interval at most SAMPLES steps are kept: up to PREFILL_SAMPLES
prefill steps, told apart as `packsmith loads` does, and decode steps, both spread evenly; the load of the kept ones of
a kind stands for that of all of the kind.

A draw must not be the recording, which programs may contain. Loads of whole intervals are drawn as the task `eplb`
draws windows (`resampling`). By what factor the load of an expert in a window or a step differs from that in its
interval is taken from an expert of about the same load, in a layer drawn at random; the same one for all windows and
steps. So prefill steps differ from decode steps, and single steps scatter, as in the recording, but in other experts.

Shapes: T steps, N rebalances, I = N + 2 intervals, S steps of an interval, L layers, E experts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluator.tasks.eplb.metrics import Floats, Ints
from evaluator.tasks.eplb.resampling import MOST_WINDOWS, redraw
from evaluator.tasks.eplb.step_kinds import prefill_threshold
from evaluator.tasks.eplb.steps import MAX_VALUES, shortened
from evaluator.tasks.eplb.traces import read_windowed
from evaluator.tasks.eplb_over_time.courses import Samples
from evaluator.tasks.eplb_over_time.pace import Pace
from evaluator.types import WorkloadError

SAMPLES, PREFILL_SAMPLES = 16, 4
MOST_REBALANCES = 64
"""In a pass over a recording."""
MOST_DRAWN = MOST_WINDOWS - 2
"""In a draw: a stretch of a longer pass."""
NEAR = 8
"""An expert's part in windows and steps comes from one at most this many places away in the order of loads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Loads `[I, L, E]` of intervals, of which the first is the first window; windows `[N + 1, L, E]`, and samples of
    the last N intervals. `notes` say what was left out.
    """

    intervals_ILE: Floats
    windows_WLE: Floats
    samples: Samples
    notes: tuple[str, ...] = ()

    @property
    def rebalances(self) -> int:
        return len(self.windows_WLE) - 1

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Samples]:
        """Fresh windows and samples, at most MOST_DRAWN rebalances, of a stretch of the recording."""
        count = min(self.rebalances, MOST_DRAWN)
        begin = int(rng.integers(self.rebalances - count + 1))
        recorded_ILE = self.intervals_ILE[begin : begin + count + 2]
        fresh_ILE = redraw(recorded_ILE, 1, rng)
        layer_L = rng.permutation(recorded_ILE.shape[1])
        expert_LE = _of_similar_load(recorded_ILE.mean(axis=0)[layer_L], fresh_ILE.mean(axis=0), rng)

        def moved(loads: Floats) -> Floats:
            taken: Floats = loads[..., layer_L[:, None], expert_LE]
            return taken

        own_ILE = moved(recorded_ILE)
        factor_ILE = np.divide(fresh_ILE, own_ILE, out=np.zeros_like(own_ILE), where=own_ILE > 0)
        whole = bool((self.samples.steps_NSLE == np.rint(self.samples.steps_NSLE)).all())
        windows_WLE = _scaled(moved(self.windows_WLE[begin : begin + count + 1]), factor_ILE[:-1], whole)
        stretch = slice(begin, begin + count)
        steps_NSLE = _scaled(moved(self.samples.steps_NSLE[stretch]), factor_ILE[2:, None], whole)
        samples = Samples(
            steps_NSLE=steps_NSLE,
            load_weight_NS=self.samples.load_weight_NS[stretch],
            count_NS=self.samples.count_NS[stretch],
            time_NS=self.samples.time_NS[stretch],
        )
        return windows_WLE, samples


def _of_similar_load(recorded_LE: Floats, fresh_LE: Floats, rng: np.random.Generator) -> Ints:
    """For each expert of `fresh_LE` one of `recorded_LE` about as high in the order of loads, each once: `[L, E]`."""
    place_E = np.arange(fresh_LE.shape[1])
    shuffled_LE = (place_E + rng.uniform(-NEAR / 2, NEAR / 2, fresh_LE.shape)).argsort(axis=1)
    recorded_order_LE = np.take_along_axis(recorded_LE.argsort(axis=1, kind="stable"), shuffled_LE, axis=1)
    expert_LE = np.empty_like(recorded_order_LE)
    np.put_along_axis(expert_LE, fresh_LE.argsort(axis=1, kind="stable"), recorded_order_LE, axis=1)
    return expert_LE


def _scaled(loads: Floats, factor: Floats, whole: bool) -> Floats:
    """Loads times factors, with the sums of each layer as they were; whole numbers, if asked for."""
    made: Floats = loads * factor
    before, after = loads.sum(axis=-1, keepdims=True), made.sum(axis=-1, keepdims=True)
    made *= np.divide(before, after, out=np.zeros_like(before), where=after > 0)
    return np.rint(made, out=made) if whole else made


def read_recording(paths: Sequence[Path], pace: Pace, rebalances: int | None) -> Recording:
    """The recorded steps of files and folders, one sequence in the order given. `rebalances`: as many as there is room
    for, at most MOST_REBALANCES, if None. Raises WorkloadError.
    """
    parts: list[Floats] = []
    notes: list[str] = []
    for part in read_windowed(paths, 1):
        parts.append(part.steps)
        notes += part.notes
        if sum(each.size for each in parts) > MAX_VALUES:
            raise WorkloadError(f"expected at most {MAX_VALUES} loads in all files, found more: give fewer files")
    steps_TLE = np.concatenate(parts)
    loaded_L = np.asarray(steps_TLE.any(axis=(0, 2)))
    if not loaded_L.any():
        raise WorkloadError(f"{paths[0]}: expected some load in the recording, found only zeros")
    if not loaded_L.all():
        empty = np.flatnonzero(~loaded_L)
        notes.append(f"dropped {len(empty)} of {len(loaded_L)} layers without load: {shortened(empty, len(empty))}")
        steps_TLE = np.ascontiguousarray(steps_TLE[:, loaded_L])
    room = (len(steps_TLE) - pace.window) // pace.interval - 1
    if room < (wanted := rebalances or 1):
        raise WorkloadError(
            f"{paths[0]}: expected at least {pace.window + (wanted + 1) * pace.interval} recorded steps, a window of "
            f"{pace.window} and {wanted + 1} intervals of {pace.interval} for {wanted} rebalance{'s' * (wanted > 1)}, "
            f"found {len(steps_TLE)}: give more of the recording, or a shorter window and interval"
        )
    count = rebalances or min(room, MOST_REBALANCES)
    if rebalances is None and count < room:
        notes.append(f"the recording has room for {room} rebalances; the first {count} are used")
    if len(steps_TLE) > (used := pace.window + (count + 1) * pace.interval):
        notes.append(f"the first {used} of {len(steps_TLE)} recorded steps are used")
    return _cut(steps_TLE, pace, count, tuple(notes))


def _cut(steps_TLE: Floats, pace: Pace, count: int, notes: tuple[str, ...]) -> Recording:
    ends = [pace.window + at * pace.interval for at in range(count + 2)]
    begins = [0, *ends[:-1]]
    intervals = [steps_TLE[begin:end] for begin, end in zip(begins, ends, strict=True)]
    intervals_ILE = np.stack([each.sum(axis=0) for each in intervals])
    threshold = prefill_threshold(steps_TLE.sum(axis=(1, 2)))
    kept = [_sampled(each, threshold) for each in intervals[2:]]
    return Recording(
        intervals_ILE=intervals_ILE,
        windows_WLE=np.stack([steps_TLE[end - pace.window : end].sum(axis=0) for end in ends[:-1]]),
        samples=Samples(
            steps_NSLE=np.stack([each[rows] for each, (rows, _, _) in zip(intervals[2:], kept, strict=True)]),
            load_weight_NS=np.stack([load_weight for _, load_weight, _ in kept]),
            count_NS=np.stack([standing for _, _, standing in kept]),
            time_NS=np.stack([rows + 0.5 for rows, _, _ in kept]),
        ),
        notes=notes,
    )


def _sampled(steps_TLE: Floats, threshold: float | None) -> tuple[Ints, Floats, Floats]:
    """The rows kept of an interval `[S]`, in order; the factor of each one's load, and how many steps it stands for."""
    total_T = steps_TLE.sum(axis=(1, 2))
    wanted = min(SAMPLES, len(total_T))
    prefill_T = np.zeros(len(total_T), dtype=bool) if threshold is None else total_T >= threshold
    kinds = [np.flatnonzero(prefill_T), np.flatnonzero(~prefill_T)]
    prefill = min(wanted, len(kinds[0]), max(PREFILL_SAMPLES, wanted - len(kinds[1])))
    rows, factors, standing = [], [], []
    for kind, most in zip(kinds, (prefill, wanted - prefill), strict=True):
        if not most:
            continue
        chosen = kind[((np.arange(most) + 0.5) / most * len(kind)).astype(np.int64)]
        load = total_T[chosen].sum()
        rows.append(chosen)
        factors.append(np.full(most, total_T[kind].sum() / load if load > 0 else 1.0))
        standing.append(np.full(most, len(kind) / most))
    order = np.concatenate(rows).argsort(kind="stable")
    row_S, factor_S, count_S = (np.concatenate(each)[order] for each in (rows, factors, standing))
    return row_S, factor_S, count_S
