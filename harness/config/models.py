"""From the config's `models` to models that can be called.

Owns: an endpoint's defaults, what a search with models requires, and where keys come from. Does not know: the
environment (it is an argument), files, or how models are called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from harness.config.document import ConfigError, Document
from harness.config.model_schema import ModelSection, checked_url
from harness.config.schema import Settings
from harness.llm.model import OPENAI_URL, Model, Price, Secret, Unbounded, check_bounded
from harness.proposers import Contender

OPENAI_KEY, OPENAI_BASE = "OPENAI_API_KEY", "OPENAI_BASE_URL"
NAME_IT = "add -s models[0].name=NAME, what its endpoint calls it"


def configured(settings: Settings) -> tuple[Model, ...]:
    """The models of a config that have a name, without keys."""
    return tuple(_model(section, f"models[{at}]") for at, section in enumerate(settings.models) if section.name)


def contenders(settings: Settings) -> tuple[Contender, ...]:
    """The models of a config, as the proposer sees them."""
    return tuple(
        Contender(
            name=section.name,
            weight=section.weight,
            kinds=section.kinds,
            context_tokens=section.context_tokens,
            max_output_tokens=section.max_output_tokens,
        )
        for section in settings.models
        if section.name
    )


def _model(section: ModelSection, where: str) -> Model:
    price = section.price
    return Model(
        name=section.name or "",
        model=section.model or "",
        base_url=section.base_url or OPENAI_URL,
        key_env=section.api_key_env or ("" if section.base_url else OPENAI_KEY),
        where=where,
        api=section.api,
        stream=section.stream,
        stall_s=section.stall_s,
        price=None if price is None else Price(**price.model_dump()),
        max_output_tokens=section.max_output_tokens,
        limit_key=section.limit_key or "",
        temperature=section.temperature,
        top_p=section.top_p,
        reasoning_effort=section.reasoning_effort,
        extra=section.extra,
        timeout_s=section.timeout_s,
        tries=section.tries,
    )


def check(settings: Settings, document: Document) -> None:
    """Raises ConfigError if a search cannot use the models: none, unnamed, equal names, or no bound by the budget."""
    problems: list[str] = []
    if not settings.models:
        raise ConfigError(f"{document.where(('proposer', 'kind'))}: a proposer of kind llm needs a model: {NAME_IT}")
    for at, section in enumerate(settings.models):
        if not section.name:
            place = document.where(("models", at))
            problems.append(f"{place}: models[{at}].name: the model has no name: {NAME_IT.replace('[0]', f'[{at}]')}")
        elif section.name in [other.name for other in settings.models[:at]]:
            problems.append(
                f"{document.where(('models', at, 'name'))}: models[{at}].name: {section.name} is used twice: give one "
                f"of them another name, and put the endpoint's name for it in models[{at}].model"
            )
    if problems:
        raise ConfigError("\n".join(problems))
    budget, models = settings.budget, configured(settings)
    try:
        check_bounded(models, usd=budget.usd is not None, tokens=budget.tokens is not None)
    except Unbounded as error:
        raise ConfigError(f"{document.where(('budget',))}: {error}") from error
    free = all(model.price is not None and model.price.usd_most == 0 for model in models)
    if free and not (budget.ends or budget.tokens or budget.calls):
        raise ConfigError(
            f"{document.where(('budget',))}: budget.usd alone never ends a search with models that cost nothing: add "
            f"another limit, for example -s budget.attempts=200"
        )


def addressed(models: Iterable[Model], environment: Mapping[str, str]) -> tuple[Model, ...]:
    """The models, those without an address with the one from the environment. Raises ConfigError."""
    base = environment.get(OPENAI_BASE, "").strip()
    if not base:
        return tuple(models)
    try:
        url = checked_url(base)
    except ValueError as error:
        expected, _, actual = str(error).partition("|")
        raise ConfigError(f"the environment variable {OPENAI_BASE}: expected {expected}, found {actual}") from None
    return tuple(replace(model, base_url=url) if model.base_url == OPENAI_URL else model for model in models)


def keyed(models: Iterable[Model], environment: Mapping[str, str]) -> tuple[Model, ...]:
    """The models with their addresses and keys. Raises ConfigError if a key is not set, or is not a possible key."""
    ready, problems = [], []
    for model in addressed(models, environment):
        text = environment.get(model.key_env, "").strip() if model.key_env else ""
        if model.key_env and not text:
            problems.append(
                f"{model.key_path('api_key_env')}: the environment variable {model.key_env} is not set, and "
                f"{model.name} needs a key: export {model.key_env}=..., or name another variable there; for a server "
                f"that needs no key set {model.key_path('base_url')} and leave api_key_env out"
            )
            continue
        try:
            ready.append(replace(model, key=Secret(text)))
        except ValueError:
            problems.append(
                f"{model.key_path('api_key_env')}: the environment variable {model.key_env} holds blanks or characters "
                f"that no key has: set it again, without quotes or line ends in it"
            )
    if problems:
        raise ConfigError("\n".join(problems))
    return tuple(ready)
