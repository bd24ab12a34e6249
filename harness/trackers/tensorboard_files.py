"""TensorBoard: a run as a folder of event files.

Owns: the events that are written, and finding the last attempt in event files. Does not know: attempts, other trackers.

The writer that the package offers queues events for a thread of its own, where an error is lost, and imports TensorFlow
where that is installed. So events are written here, with the package's own messages and record format: each is in the
file when `write` returns. A kill may leave half a record at the end of a file: readers stop there, and the next call
begins a new file, as TensorBoard expects of a process that starts again.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from harness.trackers.rows import Row
from harness.trackers.tracker import Subject

_PREFIX = "events.out.tfevents"
_HEADER = struct.Struct("<QI")
_FOOTER_BYTES = 4
_MOST_BYTES = 100_000_000
"""No event of ours is near as large."""


class TensorBoardRun:
    """A run in TensorBoard's format."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        """Raises ImportError if the package is missing, OSError if nothing can be written."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        run = folder / f"{subject.name}-{subject.id[:8]}"
        run.mkdir(parents=True, exist_ok=True)
        self.place = str(run)
        earlier = sorted(run.glob(f"{_PREFIX}.*"))
        self._last = max((step for path in earlier for step in _steps(path)), default=-1)
        self._event = Event
        self._stream: IO[bytes] = _new_file(run, len(earlier))
        self._writer = RecordWriter(self._stream)
        self._put(wall_time=time.time(), file_version="brain.Event:2")
        if not earlier:
            self._text("parameters", _table(subject), step=0)

    @property
    def last(self) -> int:
        return self._last

    def write(self, row: Row) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.metrics.items()]
        self._put(wall_time=row.when_s, step=row.number, summary=Summary(value=values))
        self._last = row.number

    def close(self, best: str | None) -> None:
        if best is not None:
            indented = "\n".join(f"    {line}" for line in best.splitlines())
            self._text("best_program", indented, step=max(0, self._last))
        self._writer.close()

    def _text(self, tag: str, markdown: str, *, step: int) -> None:
        """A text as its plugin reads it: a tensor of one string, with the plugin's name."""
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING

        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        text = TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=[markdown.encode("utf-8", "replace")])
        plugin = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        value = Summary.Value(tag=f"{tag}/text_summary", metadata=plugin, tensor=text)
        self._put(wall_time=time.time(), step=step, summary=Summary(value=[value]))

    def _put(self, **fields: Any) -> None:
        self._writer.write(self._event(**fields).SerializeToString())
        self._writer.flush()


def _table(subject: Subject) -> str:
    lines = (f"| {name} | {str(value).replace('|', '&#124;')} |" for name, value in subject.parameters.items())
    return "\n".join(("| key | value |", "|---|---|", *lines))


def _new_file(run: Path, earlier: int) -> IO[bytes]:
    """A new event file, whose name TensorBoard sorts after the earlier ones."""
    return (run / f"{_PREFIX}.{int(time.time()):010d}.packsmith.{earlier:06d}").open("xb")


def _steps(path: Path) -> Iterator[int]:
    """The steps of the attempts in an event file, up to a record that is not whole."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    with path.open("rb") as stream:
        while len(header := stream.read(_HEADER.size)) == _HEADER.size:
            length = _HEADER.unpack(header)[0]
            data = stream.read(length) if length <= _MOST_BYTES else b""
            if len(data) < length or len(stream.read(_FOOTER_BYTES)) < _FOOTER_BYTES:
                return
            try:
                event = Event.FromString(data)
            except DecodeError:
                return
            if any(value.HasField("simple_value") for value in event.summary.value):
                yield event.step
