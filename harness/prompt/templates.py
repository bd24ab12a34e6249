"""The Jinja templates of the prompts. Data is never rendered as a template.

Owns: reading the shipped templates and a config's own, and errors that name template and line.
Does not know: what the prompts say, or which values they get.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn

from jinja2 import StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError, UndefinedError
from jinja2.loaders import FunctionLoader
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from evaluator.shipped import shipped
from harness.prompt.text import clean, data_line, fenced
from harness.types import HarnessError

SHIPPED = "configs/prompts"
SUFFIX = ".j2"
_KEPT = 4
"""How many texts are kept for each template."""
_CHANCE = re.compile(r"\|\s*random\b|\blipsum\b")
"""What makes a template's text differ from one time to the next."""


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
                f"expected prompt templates in {folder}, found no file called *{SUFFIX}: write one, such as "
                f"tasks/NAME{SUFFIX}, what a model is told of the task NAME, or take out `proposer.prompts`; "
                f"these can be replaced: {', '.join(sorted(texts))}"
            )
        texts.update(own)
    return MappingProxyType(texts)


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    if not folder.is_dir():
        raise HarnessError(
            f"expected a folder of prompt templates, found {'a file' if folder.exists() else 'nothing'} at {folder}: "
            "make one there, or take out `proposer.prompts`"
        )
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            yield path.relative_to(folder).as_posix(), path.read_bytes().decode().replace("\r\n", "\n")
        except OSError as error:
            raise HarnessError(f"{path}: cannot read this prompt template: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise HarnessError(f"{path}: expected UTF-8 text, found an invalid byte at offset {error.start}") from error


class _Noting(Context):
    """A context that notes which of the values are asked for."""

    def resolve_or_missing(self, key: str) -> Any:
        assert isinstance(self.environment, _Sandbox)
        self.environment.asked.add(key)
        return super().resolve_or_missing(key)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which asks about each attribute only once for each type: its answer depends on nothing else."""

    context_class = _Noting

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._safe: dict[tuple[type, str], bool] = {}
        self.asked: set[str] = set()
        """The names of the values that were asked for since it was last cleared."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        key = type(obj), attr
        if key not in self._safe:
            self._safe[key] = super().is_safe_attribute(obj, attr, value)
        return self._safe[key]


class Templates:
    """Templates by name, ready to be rendered.

    They are sandboxed, so that a config from elsewhere cannot run code through them. A template fences texts of several
    lines (`fenced`) and puts the others on one line (`line`); what is rendered passes `clean`.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Raises HarnessError for a template that cannot be parsed."""
        self._names = frozenset(texts)
        self._rendered: dict[str, list[tuple[dict[str, Any], str]]] = {}
        self._repeatable = not any(map(_CHANCE.search, texts.values()))

        def load(name: str) -> tuple[str, str, Callable[[], bool]] | None:
            return (texts[name], name, lambda: True) if name in texts else None

        self._environment = _Sandbox(
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
        """A template rendered with these values. Raises HarnessError that names template, line and fault.

        The last texts are kept with the values that they were made from: the message for the whole run is the same in
        nearly every prompt.
        """
        if name not in self._names:
            raise HarnessError(
                f"expected a prompt template {name}, found {', '.join(sorted(self._names)) or 'none'}: add that file "
                f"to the folder of prompts"
            )
        for used, text in self._rendered.get(name, ()):
            if all(_same(values.get(key, missing), value) for key, value in used.items()):
                return text
        self._environment.asked.clear()
        try:
            text = clean(self._environment.get_template(name).render(values)).strip("\n") + "\n"
        except (TemplateError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            self._refuse(name, error, values)
        if self._repeatable:
            used = {key: values.get(key, missing) for key in self._environment.asked}
            self._rendered[name] = [(used, text), *self._rendered.get(name, ())][:_KEPT]
        return text

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


def _same(value: object, other: object) -> bool:
    """Whether two values surely render alike."""
    return value is other or (type(value) is type(other) and isinstance(value, str | tuple) and value == other)


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    """File names and lines of a traceback, outermost first; Jinja rewrites those of templates to their own."""
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next
