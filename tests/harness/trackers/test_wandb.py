"""Weights & Biases in its offline mode, read back from the file that `wandb sync` would upload."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.trackers import Feed
from tests.harness.trackers.contracts import ID, TrackerContract

messages = pytest.importorskip("wandb.proto.wandb_internal_pb2")
BLOCK = 32768
PATIENCE_S = 20


def records(path: Path) -> Iterator[Any]:
    """The records of a file: a log of LevelDB behind seven bytes, whose blocks divide records into fragments."""
    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a full record, or the last fragment of one
            yield messages.Record.FromString(whole)
            whole = b""


class TestWandb(TrackerContract):
    kind = "wandb"

    def leave(self, feed: Feed) -> None:
        """Its service is a process of its own, which closes the run when ours is killed. Here ours goes on."""
        feed.close(None)

    def held(self, folder: Path, kind: str) -> list[Any]:
        files = (folder / "wandb").glob(f"offline-run-*-{ID[:16]}*/run-{ID[:16]}.wandb")
        newest = max(files, key=lambda file: file.stat().st_mtime_ns)
        end = time.monotonic() + PATIENCE_S
        while True:  # its service writes the file in its own time, also after the run is finished
            found = [(record.WhichOneof("record_type"), record) for record in records(newest)]
            if any(name == "exit" for name, _ in found):
                return [getattr(record, name) for name, record in found if name == kind]
            assert time.monotonic() < end, f"{newest} has no end"
            time.sleep(0.02)

    def rows(self, folder: Path) -> dict[int, dict[str, float]]:
        found: dict[int, dict[str, float]] = {}
        for history in self.held(folder, "history"):
            items = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in history.item}
            found[int(items["_step"])] = {name: value for name, value in items.items() if not name.startswith("_")}
        return found

    def parameters(self, folder: Path) -> dict[str, str]:
        [run, *_] = self.held(folder, "run")
        assert (run.project, run.display_name, run.run_id) == ("packsmith", "mine", ID[:16])
        return {item.key: str(json.loads(item.value_json)) for item in run.config.update}

    def best(self, folder: Path) -> str:
        [entry] = [entry for artifact in self.held(folder, "artifact") for entry in artifact.manifest.contents]
        assert entry.path == "best.py"
        return Path(entry.local_path).read_text()

    def test_nothing_of_the_machine_goes_along(self, tmp_path: Path) -> None:
        self.feed(tmp_path / "t").close(None)
        names = {path.name for path in (tmp_path / "t").rglob("files/*")}
        assert not names & {"requirements.txt", "wandb-metadata.json", "conda-environment.yaml", "diff.patch"}
