"""The Jinja templates of the prompts. Data is never rendered as a template.

Owns: reading the shipped templates and a config's own, and errors that name template and line.
Does not know: what the prompts say, or which values they get.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn

from jinja2 import StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError, UndefinedError
from jinja2.loaders import FunctionLoader
from jinja2.sandbox import ImmutableSandboxedEnvironment

from evaluator.shipped import shipped
from harness.prompt.text import clean, data_line, fenced
from harness.types import HarnessError

SHIPPED = "configs/prompts"
SUFFIX = ".j2"


def read_templates(folder: Path | None = None) -> Mapping[str, str]:
    """The texts of all templates by name: those in `folder`, else the shipped ones.

    A name is a path such as `patch.j2`; `tasks/NAME.j2` is the brief of the task NAME. A folder may replace any of
    them, and add templates to include. Raises HarnessError.
    """
    texts = dict(_texts(shipped(SHIPPED)))
    if folder is not None:
        own = dict(_texts(folder))
        if not own:
            raise HarnessError(
                f"expected prompt templates ({', '.join(sorted(texts))}) in {folder}, found no file called *{SUFFIX}"
            )
        texts.update(own)
    return MappingProxyType(texts)


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    if not folder.is_dir():
        raise HarnessError(
            f"expected a folder of prompt templates, found {'a file' if folder.exists() else 'nothing'} at {folder}"
        )
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            yield path.relative_to(folder).as_posix(), path.read_bytes().decode().replace("\r\n", "\n")
        except OSError as error:
            raise HarnessError(f"{path}: cannot read this prompt template: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise HarnessError(f"{path}: expected UTF-8 text, found an invalid byte at offset {error.start}") from error


class Templates:
    """Templates by name, ready to be rendered.

    They are sandboxed, so that a config from elsewhere cannot run code through them. A template fences texts of several
    lines (`fenced`) and puts the others on one line (`line`); what is rendered passes `clean`.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Raises HarnessError for a template that cannot be parsed."""
        self._names = frozenset(texts)

        def load(name: str) -> tuple[str, str, Callable[[], bool]] | None:
            return (texts[name], name, lambda: True) if name in texts else None

        self._environment = ImmutableSandboxedEnvironment(
            loader=FunctionLoader(load),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )
        self._environment.filters.update(fenced=fenced, line=data_line)
        for name in sorted(texts):
            try:
                self._environment.get_template(name)
            except TemplateSyntaxError as error:
                raise HarnessError(
                    f"prompt template {error.name or name}, line {error.lineno}: {error.message or error}. "
                    f"Fix the template"
                ) from error

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        """A template rendered with these values. Raises HarnessError that names template, line and fault."""
        if name not in self._names:
            raise HarnessError(
                f"expected a prompt template {name}, found {', '.join(sorted(self._names)) or 'none'}: add that file "
                f"to the folder of prompts"
            )
        try:
            return clean(self._environment.get_template(name).render(values)).strip("\n") + "\n"
        except (TemplateError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            self._refuse(name, error, values)

    def _refuse(self, name: str, error: Exception, values: Mapping[str, Any]) -> NoReturn:
        where, line = name, 0
        for frame, number in _frames(error.__traceback__):
            if frame in self._names:
                where, line = frame, number
        what = str(error) or type(error).__name__
        if isinstance(error, TemplateNotFound):
            what = f"it includes {error.name}, which is not among the templates"
        elif isinstance(error, UndefinedError):
            what += f"; defined names: {', '.join(sorted(values))}"
        elif not isinstance(error, TemplateError):
            what = f"{type(error).__name__}: {what}"
        raise HarnessError(f"prompt template {where}, line {line}: {what}. Fix the template") from error


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    """File names and lines of a traceback, outermost first; Jinja rewrites those of templates to their own."""
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next
