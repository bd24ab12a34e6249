"""Commands whose options are known only when the program runs.

Owns: putting such options in place of one parameter of a command, and lines into its help. Does not know: any option.

Typer reads a command's options from its signature and its help from its docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

EXAMPLES = "EXAMPLES"
"""The line of a docstring that examples replace."""


def with_options(
    command: Callable[..., None],
    kind: object,
    parameters: Sequence[Parameter],
    collect: Callable[[Mapping[str, Any]], Any],
    examples: Sequence[str] = (),
) -> Callable[..., None]:
    """A command that has these options where `command` has its one parameter of type `kind`; that parameter receives
    what `collect` makes of their values.
    """
    hints = get_type_hints(command, include_extras=True)
    [place] = [name for name, hint in hints.items() if hint == kind]
    spread: list[Parameter] = []
    for parameter in signature(command).parameters.values():
        own = parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
        spread += parameters if parameter.name == place else (own,)

    @wraps(command)
    def spread_command(**values: Any) -> None:
        given = {parameter.name: values.pop(parameter.name) for parameter in parameters}
        command(**values, **{place: collect(given)})

    spread_command.__signature__ = Signature(spread)  # type: ignore[attr-defined]
    spread_command.__annotations__ = {parameter.name: parameter.annotation for parameter in spread}
    lines = [line for example in examples for line in example.splitlines()]
    spread_command.__doc__ = (command.__doc__ or "").replace(EXAMPLES, "\n    ".join(lines))
    return spread_command
