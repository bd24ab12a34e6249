"""A config as text: strict YAML, and the overrides of the command line.

Owns: YAML errors with their lines, duplicate keys, `-s section.key=value`, and the origin of each key.
Does not know: which keys exist or what they mean.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.types import HarnessError

Step = str | int
MOST_NODES = 10_000
SECRET_KEY = re.compile(r"(^|\.)(key|token|secret|password|.*api_?key.*|.*(auth|access)_token)$")
"""Key paths whose value may be a secret, intended or by mistake: messages do not repeat it."""
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_ADDRESS = re.compile(r"[^.\[\]=]+(\.[^.\[\]=]+|\[\d+\])*")


class ConfigError(HarnessError):
    """A config that cannot be used: one problem a line, each with its place, what was expected and what was found."""


class _Loader(yaml.SafeLoader):
    """Safe YAML in which `1e-3` is a number, as people expect, not a text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:\d[\d_]*)(?:\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


def key_path(steps: Iterable[Step]) -> str:
    """`("models", 0, "name")` as `models[0].name`."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A tree of plain values, and the place in a file or on the command line that each key path came from."""

    name: str
    tree: dict[str, Any]
    origins: Mapping[str, str] = field(default_factory=dict)
    laid_over: frozenset[str] = frozenset()
    """The key paths that were assigned after the file was read."""

    def where(self, steps: tuple[Step, ...]) -> str:
        """The place of a key path, else of the nearest enclosing section, else the file."""
        for length in range(len(steps), 0, -1):
            origin = self.origins.get(key_path(steps[:length]))
            if origin is not None:
                return origin
        return self.name


def _syntax_error(name: str, error: yaml.YAMLError) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    problem = " ".join(str(part) for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part)
    place = f"{name}:{mark.line + 1}" if mark is not None else name
    return ConfigError(f"{place}: not YAML: {problem or error}")


def _children(node: yaml.Node, steps: tuple[Step, ...], name: str) -> list[tuple[tuple[Step, ...], yaml.Node, int]]:
    """The children of a node, each with its key path and line. Refuses duplicate keys and keys that are not text."""
    if isinstance(node, yaml.SequenceNode):
        return [((*steps, at), value, value.start_mark.line + 1) for at, value in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return []
    children: dict[str, tuple[tuple[Step, ...], yaml.Node, int]] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
            where = key_path(steps) or "the top level"
            raise ConfigError(f"{name}:{line}: expected a text as key under {where}, found {key.value!r}")
        if key.value in children:
            path = key_path((*steps, key.value))
            first = children[key.value][2]
            raise ConfigError(f"{name}:{line}: {path} is written twice (first on line {first}); keep one of them")
        children[key.value] = ((*steps, key.value), value, line)
    return list(children.values())


def _origins(root: yaml.Node, name: str) -> dict[str, str]:
    origins: dict[str, str] = {}
    waiting: list[tuple[tuple[Step, ...], yaml.Node]] = [((), root)]
    while waiting:
        steps, node = waiting.pop()
        for child_steps, child, line in _children(node, steps, name):
            origins[key_path(child_steps)] = f"{name}:{line}"
            waiting.append((child_steps, child))
        if len(origins) > MOST_NODES:
            raise ConfigError(f"{name}: more than {MOST_NODES} entries, or an alias that contains itself")
    return origins


def _read_yaml(text: str, name: str) -> tuple[Any, dict[str, str]]:
    """The value of a YAML text and the origin of each key path in it."""
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        origins = _origins(node, name)
        return loader.construct_document(node), origins
    except yaml.YAMLError as error:
        raise _syntax_error(name, error) from error
    except ValueError as error:
        raise ConfigError(f"{name}: not YAML: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()


def read(path: Path, name: str) -> Document:
    """Read a YAML file that holds one mapping. `name` is its name in errors. Raises ConfigError."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except IsADirectoryError:
        raise ConfigError(
            f"{name}: expected a config file, found a folder (a run goes on by the config that began it)"
        ) from None
    except OSError as error:
        raise ConfigError(f"{name}: cannot read it: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: expected UTF-8 text, found byte {error.object[error.start]:#04x}") from error
    value, origins = _read_yaml(text, name)
    if value is None:
        raise ConfigError(f"{name}: expected a mapping of keys such as `task:` and `program:`, found an empty file")
    if not isinstance(value, dict):
        raise ConfigError(
            f"{name}: expected a mapping of keys such as `task:` and `program:`, found {described(value)}"
        )
    return Document(name=name, tree=value, origins=origins)


def described(value: object) -> str:
    """A value for an error text: `'abc' (text)`."""
    kinds = {bool: "true or false", int: "number", float: "number", str: "text"}
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
    return f"{shown} ({kinds.get(type(value), type(value).__name__)})"


def _put(tree: dict[str, Any], steps: tuple[Step, ...], value: Any, origin: str) -> None:
    """Set the value at one address, in place. Missing sections are added; a list may grow by one at its end."""
    here: Any = tree
    step: Any
    for at, step in enumerate(steps):
        reached = key_path(steps[:at]) or "the config"
        if isinstance(step, int):
            if not isinstance(here, list) or step > len(here):
                length = f"a list of {len(here)}" if isinstance(here, list) else described(here)
                raise ConfigError(
                    f"{origin}: expected {reached} to be a list of at least {step} entries, found {length}"
                )
            if step == len(here):
                here.append(None)
        elif not isinstance(here, dict):
            raise ConfigError(f"{origin}: expected {reached} to be a mapping, found {described(here)}")
        if at == len(steps) - 1:
            here[step] = value
            return
        if (here.get(step) if isinstance(here, dict) else here[step]) is None:
            here[step] = [] if isinstance(steps[at + 1], int) else {}
        here = here[step]


def _shown(address: str, text: str) -> str:
    """An assignment as messages quote it."""
    value = "***" if SECRET_KEY.search(address.strip()) else re.sub(r"//[^/@]*@", "//***@", text)
    return f"{address}={value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A value for one address, such as `models[0].name`, and the place that it was written at."""

    address: str
    value: Any
    origin: str

    @classmethod
    def parsed(cls, text: str) -> Assignment:
        """`section.key=value`, the value read as YAML. Raises ConfigError."""
        address, equals, value = text.partition("=")
        origin = f"-s {_shown(address, value)}" if equals else f"-s {text}"
        if not equals or not _ADDRESS.fullmatch(address.strip()):
            raise ConfigError(f"{origin}: expected section.key=value, for example -s budget.attempts=40")
        return cls(address=address.strip(), value=_read_yaml(value, origin)[0], origin=origin)

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(int(index) if index else name for name, index in _STEP.findall(self.address))


def is_address(text: str) -> bool:
    """Whether a text has the form of an address: keys joined by dots, list indices in brackets."""
    return _ADDRESS.fullmatch(text) is not None


def override(document: Document, assignments: Iterable[str | Assignment]) -> Document:
    """The document with assignments applied in order; `a[0].b` addresses a list. Raises ConfigError."""
    tree = copy.deepcopy(document.tree)
    origins = dict(document.origins)
    laid = set(document.laid_over)
    for given in assignments:
        assignment = Assignment.parsed(given) if isinstance(given, str) else given
        steps, origin = assignment.steps, assignment.origin
        _put(tree, steps, copy.deepcopy(assignment.value), origin)
        path = key_path(steps)
        origins = {key: old for key, old in origins.items() if not key.startswith((f"{path}.", f"{path}["))}
        origins[path] = origin
        laid.add(path)
        for length in range(1, len(steps)):  # sections that the assignment itself added
            origins.setdefault(key_path(steps[:length]), origin)
    return Document(name=document.name, tree=tree, origins=origins, laid_over=frozenset(laid))
