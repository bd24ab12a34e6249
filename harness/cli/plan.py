"""`packsmith search --dry-run`: what a search would do, what it may cost, and what it still needs.

Owns: the plan, as lines and as JSON. Does not know: how it is carried out. It calls, judges and archives nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from harness.archive.feed import Feed
from harness.cli.console import emit, output
from harness.cli.runs import is_run
from harness.config import Config
from harness.config.models import addressed
from harness.llm.model import Model, bound
from harness.prompt import Frame, Material, Shown, TaskFacts, Templates, build, read_templates
from harness.prompt.text import BYTES_A_TOKEN
from harness.report import jsonl
from harness.report.shares import shares_words
from harness.types import Message, Request

BUDGETS = {
    "attempts": "{:,} attempts",
    "minutes": "{:g} minutes",
    "deadline": "until {}",
    "usd": "${:g}",
    "tokens": "{:,} tokens",
    "calls": "{:,} calls",
    "judge_s": "{:g} s of judging",
    "patience": "{:,} attempts without a better champion",
}


def show(config: Config, folder: Path, *, json: bool, plain: bool = False) -> None:
    """Print the plan of a search. Raises ArchiveError for a run that cannot be read, HarnessError for
    a folder of prompts without any.
    """
    if is_run(folder):
        with closing(Feed(folder)) as feed:
            config = config.continuing(feed.config)
    if config.prompts is not None:
        read_templates(config.prompts)  # which a search refuses if there are none, whatever proposes
    plan = facts(config, folder, os.environ)
    if json:
        emit(jsonl.line(plan))
        return
    console = output(plain=plain)
    for name, text in _lines(plan):
        console.print(f"{name:<11} {text}", markup=False)


def facts(config: Config, folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """The plan as JSON values."""
    section = config.raw
    asks = config.asks_models
    models = [_model(model, config, environment) for model in addressed(config.models, environment)] if asks else []
    limits = section.budget.model_dump(mode="json")
    return {
        "config": config.name,
        "task": config.task.name,
        "cases": len(config.task.cases(config.seed)),
        "held_out": {split: len(task.cases(config.seed)) for split, task in config.held_out.items()},
        "duel_s": config.judge.timing.duel_s,
        "program": config.program.path.name,
        "device": config.device,
        "run": str(folder),
        "goes_on": is_run(folder),
        "proposer": config.kind,
        "mix": dict(config.mix),
        "shares": section.proposer.shares.model_dump() if asks else {},
        "repairs": section.proposer.repairs if asks else 0,
        "choice": section.proposer.choice if asks else None,
        "in_flight": section.search.in_flight,
        "budget": {name: limit for name, limit in limits.items() if limit is not None},
        "prompt": _prompt(config) if asks else None,
        "models": models,
        "worst_case": _worst_case(config, models) if asks else None,
        "by_share": _by_share(config),
    }


def _prompt(config: Config) -> dict[str, int]:
    """The limit on prompts, and the size of the first one, without the seed program's scores."""
    shown = Shown(label="attempt 0", name="seed", description="", text=config.program.text())
    frame = Frame(task=TaskFacts.of(config.task), limits=config.judge)
    templates = Templates(read_templates(config.prompts))
    most = config.raw.proposer.context_tokens
    messages = build(Material(kind="patch", goal="", parent=shown), frame, templates, most)
    return {"most_tokens": most, "first_bytes": sum(len(message.text.encode()) for message in messages)}


def _model(model: Model, config: Config, environment: Mapping[str, str]) -> dict[str, Any]:
    section = next(section for section in config.raw.models if section.name == model.name)
    context = section.context_tokens or config.raw.proposer.context_tokens
    # The largest conversation: a prompt, and for each repair an answer and its error.
    turns = 2 + 2 * config.raw.proposer.repairs
    texts = [Message(role="user", text="x" * (context * BYTES_A_TOKEN)), *[Message(role="user", text="")] * (turns - 1)]
    most = bound(model, Request(kind="patch", parents=("",), model=model.name, messages=tuple(texts)))
    return {
        "name": model.name,
        "base_url": model.base_url,
        "api": model.api,
        "stream": model.stream,
        "weight": section.weight,
        "key_env": model.key_env or None,
        "key_is_set": bool(environment.get(model.key_env, "").strip()) if model.key_env else None,
        "price": section.price.model_dump() if section.price else None,
        "max_output_tokens": model.max_output_tokens,
        "tries": model.tries,
        "most_tokens_a_try": most.tokens if model.max_output_tokens is not None else None,
        "most_usd_a_try": most.usd if model.price is not None and model.max_output_tokens is not None else None,
    }


def _worst_case(config: Config, models: list[dict[str, Any]]) -> dict[str, Any]:
    """The most that a whole run may cost, if every try costs its maximum; None if nothing limits it."""
    budget = config.raw.budget
    proposals = budget.attempts  # of a mix, too: the models may be left to make all of them
    tries = max(model["tries"] for model in models)
    calls = None if proposals is None else proposals * (1 + config.raw.proposer.repairs) * tries
    calls = min((limit for limit in (calls, budget.calls) if limit is not None), default=None)

    def most(each: str, limit: float | None) -> float | None:
        dearest = [model[each] for model in models]
        all_calls = None if calls is None or None in dearest else calls * max(dearest)
        return min((value for value in (all_calls, limit) if value is not None), default=None)

    return {
        "calls": calls,
        "tokens": most("most_tokens_a_try", budget.tokens),
        "usd": most("most_usd_a_try", budget.usd),
    }


def _by_share(config: Config) -> dict[str, int]:
    """How many of the budget's attempts each proposer of a mix makes while all have something to propose."""
    attempts, whole = config.raw.budget.attempts, sum(config.mix.values())
    return {} if attempts is None else {name: round(attempts * share / whole) for name, share in config.mix.items()}


def _lines(plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "plan", f"{plan['config']}; nothing is called, judged or archived"
    yield "task", f"{plan['task']}, {_cases(plan['cases'])}, from {plan['program']}, on {plan['device']}"
    yield "held out", _held_out_line(plan)
    yield "run", f"{plan['run']} ({'continues' if plan['goes_on'] else 'new'})"
    yield "proposer", shares_words(plan["mix"]) or plan["proposer"]
    yield "budget", ", ".join(BUDGETS[name].format(limit) for name, limit in plan["budget"].items())
    if plan["prompt"] is None:
        yield "models", "no model is called"
        return
    shares = ", ".join(f"{kind} {share:g}" for kind, share in plan["shares"].items() if share)
    yield "kinds", f"{shares}; up to {plan['repairs']} repairs of an answer"
    yield "in flight", f"{plan['in_flight']} calls at once"
    prompt = plan["prompt"]
    first = f"the first about {prompt['first_bytes'] / 4:,.0f} ({prompt['first_bytes']:,} bytes), and its scores"
    yield "prompts", f"at most {prompt['most_tokens']:,} tokens at {BYTES_A_TOKEN} bytes each; {first}"
    for model in plan["models"]:
        yield "model", _model_line(model)
        yield "", _cost_line(model)
    yield "worst case", _worst_line(plan["worst_case"], plan["models"])
    if plan["by_share"] and len(plan["mix"]) > 1:
        share = plan["by_share"]["llm"]
        yield "", f"if models make all attempts; by their share they make {share:,} of them"
    for model in plan["models"]:
        usd, limit = model["most_usd_a_try"], plan["budget"].get("usd")
        if usd is not None and limit is not None and usd > limit:
            yield "warning", f"a call to {model['name']} with the largest prompt may cost more than budget.usd"
    for name in dict.fromkeys(model["key_env"] for model in plan["models"] if model["key_is_set"] is False):
        yield "missing", f"the environment variable {name} is not set: export {name}=..."


def _cases(number: int) -> str:
    return "1 case" if number == 1 else f"{number} cases"


def _held_out_line(plan: Mapping[str, Any]) -> str:
    """What is measured on held-out loads, beside the cases of the search, and for how long."""
    held = [f"{split} ({_cases(number)})" for split, number in plan["held_out"].items()]
    if not held:
        return "no loads: nothing shows whether what is found holds on others"
    seconds = f"up to {plan['duel_s']:g} s"
    return (
        f"{' and '.join(held)}: for each program that would be the new best, {seconds} on the gate; at the end, for "
        f"the best program, {seconds} on each of search, {', '.join(plan['held_out'])}"
    )


def _model_line(model: Mapping[str, Any]) -> str:
    ways = model["api"] + (", streamed" if model["stream"] else "")
    if model["key_env"] is None:
        key = "no key"
    else:
        key = f"key in {model['key_env']} ({'set' if model['key_is_set'] else 'not set'})"
    return f"{model['name']} at {model['base_url']} ({ways}), {key}"


def _cost_line(model: Mapping[str, Any]) -> str:
    if model["most_tokens_a_try"] is None:
        return "no max_output_tokens: the cost of a try is unlimited"
    usd = model["most_usd_a_try"]
    price = "no price stated" if usd is None else f"${usd:.4g}"
    return f"one try: at most {model['most_tokens_a_try']:,} tokens, {price}; up to {model['tries']} tries"


def _worst_line(worst: Mapping[str, Any], models: list[dict[str, Any]]) -> str:
    parts = []
    for name, form in (("calls", "{:,} calls"), ("tokens", "{:,} tokens"), ("usd", "${:,.2f}")):
        value = worst[name]
        if value is not None:
            parts.append(form.format(value))
        elif name == "usd" and any(model["price"] is None for model in models):
            parts.append("dollars unknown (state models[].price)")
        else:
            parts.append(f"no limit on {'dollars' if name == 'usd' else name}")
    return ", ".join(parts)
