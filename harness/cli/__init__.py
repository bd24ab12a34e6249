"""The command `packsmith`: the only room that prints, exits and reads the environment.

Owns: the command and the one boundary where an error becomes a message and an exit code: 0 done, 1 the user can fix
it, 2 usage, 3 our bug (its log is saved), 128 + n ended by signal n (130: Ctrl-C). Does not know: what the verbs do.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import typer
from typer.completion import get_completion_inspect_parameters
from typer.exceptions import TyperException

from evaluator import EvaluatorError
from harness.cli.console import OutputClosed, emit, messages
from harness.cli.signals import Interrupted, Interruptible, catch_signals, ignore_signals
from harness.cli.verbs import verbs
from harness.types import HarnessError

DONE, FIXABLE, USAGE, BUG = 0, 1, 2, 3
COMPLETE = "_PACKSMITH_COMPLETE"
"""The variable with which a shell asks for the words that may follow (`packsmith completion`)."""


def build(arguments: Sequence[str] = ()) -> typer.Typer:
    """The command with its verbs, or with some of them where the arguments begin with one of these. A task file that
    the arguments name adds its options to the verbs that judge.
    """
    from harness.cli.own_options import with_own_options

    if COMPLETE in os.environ:
        get_completion_inspect_parameters()  # makes typer know the shells
    app = typer.Typer(
        name="packsmith",
        help="Evolve packing heuristics with language models, and prove every gain.",
        epilog="Start with: packsmith search configs/quickstart.yaml",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_options)
    for name, verb in verbs(arguments).items():
        app.command(name)(with_own_options(verb, arguments) if [*arguments[:1]] == [name] else verb)
    return app


def _version(asked: bool) -> None:
    if asked:
        emit(f"packsmith {metadata.version('packsmith')}")
        raise typer.Exit


def _options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    if context.invoked_subcommand is None:
        emit(context.get_help())
        raise typer.Exit(USAGE)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code. Every error ends here."""
    console = messages(plain="--plain" in arguments)
    try:
        with Interruptible():
            code = build(arguments)(args=arguments, prog_name="packsmith", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except TyperException as error:
        verb = getattr(getattr(error, "ctx", None), "command_path", "packsmith")
        found = error.format_message().replace("Value error, ", "", 1)  # what typer puts before the choices
        console.print(f"usage: {found}\nTry: {verb} --help", style="red", markup=False)
        return USAGE
    except Interrupted as interrupted:
        console.print(": ".join(["interrupted", *getattr(interrupted, "__notes__", ())]), markup=False)
        return 128 + interrupted.signal
    except (HarnessError, EvaluatorError) as error:
        console.print(f"error: {error}", style="red", markup=False)
        return FIXABLE
    except OutputClosed:
        # The reader of our output is gone, as with `| head`: not an error.
        _discard_output()
        return DONE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        console.print(f"error: {where}{error.strerror or error}", style="red", markup=False)
        _discard_output()
        return FIXABLE
    except Exception:
        console.print(f"error: this is a bug in packsmith; {_save_log()}", style="red", markup=False)
        return BUG


def _discard_output() -> None:
    """Drop what is still buffered, so that the interpreter's last flush raises nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _save_log() -> str:
    text = f"packsmith {metadata.version('packsmith')}\n{' '.join(sys.argv)}\n\n{traceback.format_exc()}"
    try:
        descriptor, name = tempfile.mkstemp(prefix="packsmith-", suffix=".log")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as log:
            log.write(text)
    except OSError:
        return f"its log cannot be saved, so here it is:\n{text}"
    return f"a log is in {name}"


def _prepare_streams() -> None:
    """Make both streams exist and accept any text: a character that the terminal lacks is shown as `?`."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 (open until the process ends)
        getattr(sys, name).reconfigure(errors="replace")


def main() -> None:
    """The console script."""
    _prepare_streams()
    catch_signals()
    try:
        code = run(sys.argv[1:])
    except Interrupted as again:  # while the first signal was being told of
        code = 128 + again.signal
    ignore_signals()
    sys.exit(code)
