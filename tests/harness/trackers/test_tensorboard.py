"""TensorBoard, read back by its own reader of event files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.harness.trackers.contracts import ID, TrackerContract, entries

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


class TestTensorBoard(TrackerContract):
    kind = "tensorboard"

    def events(self, folder: Path) -> Any:
        [run] = folder.iterdir()
        held = accumulator.EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
        return held.Reload()

    def rows(self, folder: Path) -> dict[int, dict[str, float]]:
        held, found = self.events(folder), dict[int, dict[str, float]]()
        for tag in held.Tags()["scalars"]:
            steps = [event.step for event in held.Scalars(tag)]
            assert len(set(steps)) == len(steps), "an attempt is written once"
            for event in held.Scalars(tag):
                found.setdefault(event.step, {})[tag] = event.value
        return found

    def text(self, folder: Path, tag: str) -> str:
        return str(self.events(folder).Tensors(f"{tag}/text_summary")[-1].tensor_proto.string_val[0].decode())

    def parameters(self, folder: Path) -> dict[str, str]:
        lines = [line.split("|") for line in self.text(folder, "parameters").splitlines()[2:]]
        return {name.strip(): value.strip().replace("&#124;", "|") for _, name, value, _ in lines}

    def best(self, folder: Path) -> str:
        return "".join(f"{line[4:]}\n" for line in self.text(folder, "best_program").splitlines())

    def test_half_a_record_at_the_end_of_a_file_loses_only_that(self, tmp_path: Path) -> None:
        """As a kill leaves it: the row is sent again, into a file of its own."""
        first = self.feed(tmp_path / "t")
        for one in entries()[:3]:
            first.add(one)
        first.close(None)
        [file] = (tmp_path / "t" / f"mine-{ID[:8]}").iterdir()
        file.write_bytes(file.read_bytes()[:-5])
        again = self.feed(tmp_path / "t")
        for one in entries():
            again.add(one)
        again.close(None)
        assert again.sent == {self.kind: 2} and not again.failed
        assert set(self.rows(tmp_path / "t")) == {0, 1, 2, 3}

    def test_a_full_disk_is_told_once_and_the_feed_goes_on(self, tmp_path: Path) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full here")
        notices: list[str] = []
        feed = self.feed(tmp_path / "t", notices)
        run = tmp_path / "t" / f"mine-{ID[:8]}"
        full = feed._open[self.kind]
        with Path("/dev/full").open("wb", buffering=0) as device:
            full._writer._writer = device  # type: ignore[attr-defined]
            for one in entries():
                feed.add(one)
            feed.close(None)
        assert len(notices) == 1 and "No space left on device" in notices[0]
        assert list(run.iterdir())
