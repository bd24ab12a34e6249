"""What the live page may do to a run: the same as the verbs advise, stop and tell.

Owns: running `packsmith tell` for an answer, in a process of its own. Does not know: who answers, pages.

A process of its own, because an answer is judged for seconds to minutes, in an archive that is opened for it, and must
not end with an error of the page, nor take its time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE

from harness.archive.notices import notices_of
from harness.cli.console import UserError
from harness.page.jobs import Answer, Told

_LONGEST = 8000


class Verbs:
    """The verbs as functions; `close` ends the processes that still judge, whose answers are kept with their tickets.

    `config` is the config file with which `tell` judges; None for that of the run.
    """

    def __init__(self, config: str | None = None) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._working: set[subprocess.Popen[bytes]] = set()

    def advise(self, folder: Path, text: str) -> int:
        with notices_of(folder) as notices:
            return notices.advise(text)

    def stop(self, folder: Path) -> None:
        with notices_of(folder) as notices:
            notices.ask_to_stop()

    def answer(self, folder: Path, ticket: int, answer: Answer) -> Told:
        with ExitStack() as stack:
            words = [str(folder), str(ticket), "--json", f"--usd={answer.usd}", f"--tokens={answer.tokens}"]
            words += [f"--model={answer.model}"] if answer.model else []
            words += [f"--config={self._config}"] if self._config else []
            if answer.program:
                file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="packsmith-answer-"))) / "program.py"
                file.write_bytes(answer.program.encode())
                words += [f"--program={file}", f"--name={answer.name or 'edited_by_hand'}"]
                words += [f"--description={answer.description}"]
            else:
                words.append("-")
            return self._tell(words, answer.reply.encode())

    def close(self) -> None:
        with self._lock:
            for process in self._working:
                process.terminate()

    def _tell(self, words: Sequence[str], given: bytes) -> Told:
        command = [sys.executable, "-P", "-m", "harness", "tell", *words]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
            with self._lock:
                self._working.add(process)
            try:
                out, err = process.communicate(given)
            finally:
                with self._lock:
                    self._working.discard(process)
        if process.returncode != 0:
            said = err.decode("utf-8", "replace").strip()[-_LONGEST:]
            raise UserError(said.rpartition("error: ")[2] or f"packsmith tell ended with status {process.returncode}")
        record = json.loads(out.splitlines()[-1])
        outcome = record["stage"] or record["verdict"]
        best = ", which leads the search now" if record["best"] == record["number"] else ""
        told = f"attempt {record['number']}{best}" if outcome == "scored" else f"{outcome}: {record['reason']}"
        return Told(number=record["number"], outcome=outcome, words=told)
