"""The verbs of the command, in groups of which each is imported only if it is needed.

Owns: the names of the verbs, their order, and which modules a command line needs: importing all takes a third of a
second, most commands need less than half of it. Does not know: what the verbs do, how a command is made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

Verb = Callable[..., None]
Group = Callable[[], tuple[Verb, ...]]


def _of_judging() -> tuple[Verb, ...]:
    from harness.cli.commands import ask, evaluate, replay, search, tell

    return search.search, evaluate.evaluate, replay.replay, ask.ask, tell.tell


def _of_one_run() -> tuple[Verb, ...]:
    from harness.cli.commands import advise, best, diff, lineage, log, show, stats, status, stop, verify

    state = status.status, stop.stop, advise.advise, stats.stats, verify.verify
    return *state, log.log, show.show, diff.diff, lineage.lineage, best.best


def _of_pages() -> tuple[Verb, ...]:
    from harness.cli.commands import compare, dashboard, report, study, track

    return dashboard.dashboard, report.report, compare.compare, study.study, track.track


def _of_taking_along() -> tuple[Verb, ...]:
    from harness.cli.commands import bundle, checkout, export, import_, package, pull, push, remeasure

    own = package.package, remeasure.remeasure, checkout.checkout, export.export
    return *own, push.push, pull.pull, bundle.bundle, import_.import_


def _of_beginning() -> tuple[Verb, ...]:
    from harness.cli.commands import assess, check_task, completion, doctor, init, loads, mcp, plan, schema

    first = loads.loads, plan.plan, assess.assess, doctor.doctor, mcp.mcp, init.init
    return *first, check_task.check_task, schema.schema, completion.completion


_GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        "search evaluate replay ask tell": _of_judging,
        "status stop advise stats verify log show diff lineage best": _of_one_run,
        "dashboard report compare study track": _of_pages,
        "package remeasure checkout export push pull bundle import": _of_taking_along,
        "loads plan assess doctor mcp init check-task schema completion": _of_beginning,
    }
)
"""The groups by the names of their verbs, in the order in which the help lists them."""


def verbs(arguments: Sequence[str] = ()) -> dict[str, Verb]:
    """The verbs by their names: those of the group of the verb that the arguments begin with, else all."""
    asked = arguments[0] if arguments else ""
    needed = [names for names in _GROUPS if asked in names.split()] or [*_GROUPS]
    return {name: verb for names in needed for name, verb in zip(names.split(), _GROUPS[names](), strict=True)}
