"""A process that has imported the command and forks one for every line it is sent: what the import costs is paid once.

Each command is a process of its own all the same, with its own folder, environment and streams, and it runs what the
console script runs. A judge in it goes on with the processes of the judge before (`tests/evaluator/kept.py`), which
saves another import, that of torch. What hangs on how an interpreter starts (its hash seed, its locale, `git` missing
at import) is not to be tested so: see `runs.Cli`.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import sys
import tempfile
from importlib import import_module
from pathlib import Path

_BYTES = 1 << 17


def serve(control: socket.socket) -> list[str] | None:
    """Fork for every request until the other side hangs up; in a fork, the arguments of its command.

    A request has the command's arguments, folder and environment, and four descriptors: its three streams, and a socket
    that is told its process id, and then its exit code.
    """
    running: dict[int, tuple[int, socket.socket]] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready != control.fileno():
                poll.unregister(ready)
                pid, reply = running.pop(ready)
                reply.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
                reply.close()
                os.close(ready)
                continue
            message, descriptors, _, _ = socket.recv_fds(control, _BYTES, 4)
            if not message:
                return None
            *streams, last = descriptors
            reply, pid = socket.socket(fileno=last), os.fork()
            if pid == 0:
                for one in (control, reply, *(other for _, other in running.values())):
                    one.close()
                for held in running:
                    os.close(held)
                return become(json.loads(message), streams)
            for stream in streams:
                os.close(stream)
            reply.send(str(pid).encode())
            watched = os.pidfd_open(pid)
            running[watched] = (pid, reply)
            poll.register(watched, select.POLLIN)


def become(request: dict[str, object], streams: list[int]) -> list[str]:
    """Make this process the one of a request, whose arguments are returned."""
    arguments, folder, environment = request["arguments"], request["folder"], request["environment"]
    assert isinstance(arguments, list) and isinstance(folder, str) and isinstance(environment, dict)
    for number, (name, stream) in enumerate(zip(("stdin", "stdout", "stderr"), streams, strict=True)):
        os.dup2(stream, number)
        os.close(stream)
        # Anew, as an interpreter opens them: what can be done with a stream was found out when the old one was opened.
        old = getattr(sys, name)
        line_wise = 1 if name == "stderr" else -1
        mode = "r" if name == "stdin" else "w"
        setattr(sys, name, open(number, mode, line_wise, old.encoding, old.errors, closefd=False))  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    return arguments


def main(descriptor: int, script: str) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from evaluator.executors import EXECUTORS
    from harness import cli
    from harness.__main__ import main as run
    from tests.evaluator.kept import KeptExecutor, Spare

    sys.path.pop(0)
    spare = Spare()
    cli.build()  # which imports what the commands need
    import_module("openai")  # which a search imports for its first call
    assert "torch" not in sys.modules
    spare.wait()
    EXECUTORS["local"] = lambda settings: KeptExecutor(settings, spare)
    gc.collect()
    gc.freeze()
    arguments = serve(socket.socket(fileno=descriptor))
    if arguments is not None:
        sys.argv = [script, *arguments]
        sys.path[:0] = [str(Path(script).parent)]
        run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
