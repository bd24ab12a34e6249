"""What a config says about models: which to ask, under which limits, and where the keys come from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluator import shipped
from harness.config import Config, ConfigError, load
from harness.config.models import addressed, configured, keyed
from harness.llm.bandit import BanditSettings
from harness.llm.model import OPENAI_URL, Price
from harness.proposers import Shares
from harness.search.budget import Budget

MINIMAL = """\
task: eplb
program: programs/eplb/greedy.py
budget: {attempts: 3}
"""
KEY = "sk-secret-0123456789abcdef"
MODEL = "models: [{name: m}]\n"
MIX = "proposer: {mix: {llm: 6, catalogue: 2}, repairs: 0, patches: []}\n"


def loaded(folder: Path, text: str, *overrides: str) -> Config:
    path = folder / "my.yaml"
    path.write_text(text)
    return load(path, overrides)


def refused(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        loaded(folder, text, *overrides)
    assert KEY not in str(error.value)
    return str(error.value)


class TestNaming:
    @pytest.mark.parametrize("lists", ["", "models: []\n", "models: [{max_output_tokens: 9}]\n"])
    def test_on_the_command_line_over_any_list(self, tmp_path: Path, lists: str) -> None:
        config = loaded(tmp_path, MINIMAL + lists, "models[0].name=gpt-x")
        assert (config.kind, [model.name for model in config.models]) == ("llm", ["gpt-x"])

    def test_shipped_config_needs_a_name_and_says_how(self) -> None:
        with pytest.raises(
            ConfigError, match=r"eplb\.yaml:\d+: models\[0\]\.name: the model has no name: add -s models"
        ):
            load("configs/eplb.yaml")

    def test_shipped_config_runs_with_a_name_alone(self) -> None:
        config = load("configs/eplb.yaml", ["models[0].name=gpt-x"])
        [model] = keyed(config.models, {"OPENAI_API_KEY": KEY})
        assert (model.base_url, model.max_output_tokens, model.key.reveal()) == (OPENAI_URL, 16000, KEY)
        assert config.kind == "llm" and config.budget.tokens

    def test_name_of_the_endpoint_and_ours(self, tmp_path: Path) -> None:
        text = MINIMAL + "models: [{name: m}, {name: m-high, model: m, reasoning_effort: high}]\n"
        assert [model.sent_name for model in loaded(tmp_path, text).models] == ["m", "m"]

    def test_a_name_used_twice_is_refused(self, tmp_path: Path) -> None:
        message = refused(tmp_path, MINIMAL + "models:\n- name: m\n- name: m\n")
        assert "my.yaml:6: models[1].name: m is used twice" in message and "in models[1].model" in message

    def test_a_second_model_needs_a_name(self, tmp_path: Path) -> None:
        assert "add -s models[1].name=NAME" in refused(tmp_path, MINIMAL + "models: [{name: m}, {weight: 2}]\n")

    def test_an_llm_search_without_models_is_refused(self, tmp_path: Path) -> None:
        message = refused(tmp_path, MINIMAL + "proposer: {kind: llm}\n")
        assert "my.yaml:4: a proposer of kind llm needs a model: add -s models[0].name=NAME" in message


class TestKind:
    @pytest.mark.parametrize(
        ("text", "overrides", "kind"),
        [
            ("", [], "catalogue"),
            (MODEL, [], "llm"),
            (MODEL + "proposer: {repairs: 1}\n", [], "llm"),
            (MODEL + "proposer: {kind: catalogue}\n", [], "catalogue"),
            (MODEL, ["proposer.kind=catalogue"], "catalogue"),
            ("proposer: {kind: catalogue}\n", ["models[0].name=m"], "llm"),
            ("proposer: {kind: catalogue}\n", ["models[0].name=m", "proposer.kind=catalogue"], "catalogue"),
            (MODEL, ["proposer={kind: replay, from: runs/x}"], "replay"),
            (MODEL + MIX, [], "mix"),
            (MODEL + MIX, ["models[0].name=n"], "mix"),
            (MODEL + MIX, ["proposer.kind=catalogue"], "catalogue"),
            (MODEL + "proposer: {kind: mix, mix: {llm: 1}}\n", [], "mix"),
            (MODEL + "proposer: {kind: catalogue}\n", ["proposer.mix.llm=1"], "mix"),
            ("proposer: {mix: {catalogue: 1}}\n", [], "mix"),
            ("proposer: {mix: {catalogue: 1}}\n", ["models[0].name=m"], "llm"),
        ],
    )
    def test_models_imply_it_and_the_command_line_wins(
        self, tmp_path: Path, text: str, overrides: list[str], kind: str
    ) -> None:
        assert loaded(tmp_path, MINIMAL + text, *overrides).kind == kind

    def test_of_a_catalogue_needs_no_name(self) -> None:
        config = load("configs/eplb.yaml", ["proposer.kind=catalogue"])
        assert (config.kind, config.models) == ("catalogue", ())

    def test_replay_says_from_what(self, tmp_path: Path) -> None:
        """What lies beside the config comes before what the working folder has."""
        replaying = MINIMAL + "proposer: {kind: replay, from: runs/x}\n"
        assert loaded(tmp_path, replaying).recording == Path("runs/x")
        (tmp_path / "runs" / "x").mkdir(parents=True)
        assert loaded(tmp_path, replaying).recording == tmp_path / "runs/x"
        assert "my.yaml:4: proposer.from: expected the folder of a run" in refused(
            tmp_path, MINIMAL + "proposer: {kind: replay}\n"
        )


class TestMix:
    def test_shares_and_the_settings_of_each(self, tmp_path: Path) -> None:
        config = loaded(tmp_path, MINIMAL + MODEL + MIX)
        options = config.proposer_options
        assert options.mix == config.mix == {"llm": 6.0, "catalogue": 2.0} and config.asks_models
        assert ([model.name for model in options.models], options.repairs, options.patches) == (["m"], 0, ())
        assert config.resolved()["proposer"]["mix"] == {"llm": 6.0, "catalogue": 2.0, "replay": 0.0}

    def test_another_kind_on_the_command_line_sets_it_aside(self, tmp_path: Path) -> None:
        config = loaded(tmp_path, MINIMAL + MODEL + MIX, "proposer.kind=ask")
        assert config.mix == config.proposer_options.mix == {} and not config.asks_models

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("proposer: {mix: {llm: 1}}\n", "my.yaml:4: a proposer of kind llm needs a model"),
            ("proposer: {mix: {catalogue: 1, replay: 1}}\n", "proposer.from: expected the folder of a run"),
            ("proposer: {kind: mix}\n", "my.yaml:4: proposer.mix: expected shares, as in {llm: 6, catalogue: 2}"),
            ("proposer: {kind: ask, mix: {llm: 1}}\n", "my.yaml:4: proposer.kind: expected mix, or no kind, beside"),
            (
                "proposer: {mix: {ask: 1, llm: 1}}\n",
                "found ask, which needs none: packsmith ask and tell",
            ),
            ("proposer: {mix: {lm: 1}}\n", "unknown key `proposer.mix.lm`; did you mean `proposer.mix.llm`?"),
            ("proposer: {mix: {llm: 0}}\n", "proposer.mix: expected a share above 0, as in {llm: 6, catalogue: 2}"),
            ("proposer: {mix: {llm: -1}}\n", "proposer.mix.llm: expected a number at least 0"),
            ("proposer: {mix: {llm: 1e308, catalogue: 1e308}}\n", "proposer.mix.llm: expected a number at most 1000"),
            ("proposer: {mix: {llm: .inf}}\n", "proposer.mix.llm: expected a finite number"),
            ("proposer: {mix: 3}\n", "proposer.mix: expected a mapping"),
        ],
    )
    def test_mistakes_are_named(self, tmp_path: Path, text: str, words: str) -> None:
        assert words in refused(tmp_path, MINIMAL + text)

    def test_a_budget_of_models_alone_does_not_end_it(self, tmp_path: Path) -> None:
        calls = MINIMAL.replace("attempts: 3", "calls: 3")
        assert "which a proposer of kind catalogue does not make" in refused(tmp_path, calls + MODEL + MIX)
        assert loaded(tmp_path, calls + MODEL + "proposer: {mix: {llm: 1}}\n").mix == {"llm": 1.0}


class TestValues:
    def test_all_keys_of_a_model(self, tmp_path: Path) -> None:
        text = """\
models:
- name: mine
  model: theirs
  base_url: http://localhost:8000/v1/
  api_key_env: MY_KEY
  api: chat
  stream: true
  stall_s: 20
  price: {input: 1, cached_input: 0.1, output: 4}
  max_output_tokens: 9000
  limit_key: max_completion_tokens
  temperature: 0.7
  top_p: 0.9
  reasoning_effort: high
  extra: {seed: 7, chat_template_kwargs: {enable_thinking: false}}
  timeout_s: 30
  tries: 2
"""
        [model] = loaded(tmp_path, MINIMAL + text).models
        assert (model.name, model.sent_name, model.base_url) == ("mine", "theirs", "http://localhost:8000/v1")
        assert (model.key_env, model.stream, model.stall_s, model.timeout_s, model.tries) == ("MY_KEY", True, 20, 30, 2)
        assert model.price == Price(input=1, cached_input=0.1, output=4)
        assert (model.max_output_tokens, model.sent_limit_key) == (9000, "max_completion_tokens")
        assert (model.temperature, model.top_p, model.reasoning_effort) == (0.7, 0.9, "high")
        assert model.extra == {"seed": 7, "chat_template_kwargs": {"enable_thinking": False}}

    def test_what_the_proposer_is_told(self, tmp_path: Path) -> None:
        text = """\
models: [{name: m, weight: 2, kinds: [rewrite, patch], context_tokens: 5000}, {name: n}]
proposer:
  {repairs: 0, inspirations: 1, rejections: 2, error_texts: false, context_tokens: 9000, shares: {rewrite: 0},
   merges: 0.25, choice: bandit, bandit: {discount: 0.9}}
"""
        options = loaded(tmp_path, MINIMAL + text).proposer_options
        assert [(one.name, one.weight, one.kinds, one.context_tokens) for one in options.models] == [
            ("m", 2.0, ("rewrite", "patch"), 5000),
            ("n", 1.0, (), None),
        ]
        assert (options.repairs, options.inspirations, options.rejections, options.context_tokens) == (0, 1, 2, 9000)
        assert options.error_texts is False and options.merges == 0.25
        assert options.shares == Shares(rewrite=0.0)
        assert options.bandit == BanditSettings(discount=0.9)
        assert options.task is not None

    def test_by_default_weights_decide(self, tmp_path: Path) -> None:
        options = loaded(tmp_path, MINIMAL + MODEL).proposer_options
        assert options.bandit is None and options.error_texts

    def test_own_prompts_are_beside_the_config(self, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "system.j2").write_text("Be brief.")
        options = loaded(tmp_path, MINIMAL + MODEL + "proposer: {prompts: mine}\n").proposer_options
        assert options.templates["system.j2"] == "Be brief."

    def test_budget_and_its_ledger(self, tmp_path: Path) -> None:
        text = MINIMAL.replace("attempts: 3", "usd: 2, tokens: 3, calls: 4")
        config = loaded(tmp_path, text + "models: [{name: m, max_output_tokens: 1, price: {input: 0, output: 1}}]\n")
        assert config.budget == Budget(usd=2.0, tokens=3, calls=4)
        left = config.budget.ledger().left()
        assert (left.usd, left.tokens, left.calls) == (2.0, 3, 4)

    def test_several_in_flight_and_several_judges(self, tmp_path: Path) -> None:
        section = loaded(tmp_path, MINIMAL + MODEL + "search: {in_flight: 256}\nexecutor: {workers: 4}\n").raw
        assert (section.search.in_flight, section.executor.workers) == (256, 4)

    def test_resolved_config_goes_through_json_and_back(self, tmp_path: Path) -> None:
        text = MINIMAL + MODEL + f"proposer: {{from: {tmp_path}/x, prompts: {tmp_path}/y}}\n"
        resolved = loaded(tmp_path, text).resolved()
        assert json.loads(json.dumps(resolved)) == resolved
        assert (resolved["proposer"]["from"], resolved["proposer"]["prompts"]) == ("x", "y")
        assert str(tmp_path) not in json.dumps(resolved)


class TestBudgetsThatHaveNoHold:
    @pytest.mark.parametrize(
        ("budget", "model", "words"),
        [
            (
                "usd: 5",
                "",
                "budget.usd needs an upper bound on what a call costs, and m has none: add models[0].max_out",
            ),
            ("usd: 5", ", max_output_tokens: 9", "budget.usd needs prices, and m has none: add models[0].price"),
            ("tokens: 5", "", "budget.tokens needs an upper bound"),
            (
                "usd: 5",
                ", max_output_tokens: 9, price: {input: 0, output: 0}",
                "never ends a search with models that cost",
            ),
        ],
    )
    def test_invalid_budgets_are_refused(self, tmp_path: Path, budget: str, model: str, words: str) -> None:
        text = MINIMAL.replace("attempts: 3", budget)
        message = refused(tmp_path, text + f"models: [{{name: m{model}}}]\n")
        assert words in message and "my.yaml:3: " in message

    def test_calls_alone_need_nothing(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, MINIMAL.replace("attempts", "calls") + MODEL).budget == Budget(calls=3)


REFUSED = {
    "no address": (
        "base_url: localhost:8000",
        "models[0].base_url: expected an address such as http://localhost:8000/v1",
    ),
    "file": ("base_url: 'file:///etc/passwd'", "expected an address such as"),
    "impossible port": ("base_url: 'http://h:99999/v1'", "expected an address such as"),
    "blanks in it": ("base_url: 'http://h/a b'", "expected an address such as"),
    "a password": (f"base_url: 'http://me:{KEY}@h/v1'", "without a user or a password"),
    "a key in its parameters": (f"base_url: 'http://h/v1?key={KEY}'", "without parameters other than api-version"),
    "too much of it": ("base_url: 'http://h/v1/chat/completions'", "the part of the address before /chat/completions"),
    "a key for a name": (f"api_key_env: {KEY}", "expected the name of an environment variable, in capitals"),
    "a key": (f"api_key: {KEY}", "unknown key `models[0].api_key`; never write a secret in a config"),
    "a key among others": (f"extra: {{api_key: {KEY}}}", "and no secrets, found api_key"),
    "several answers": ("extra: {n: 4}", "models[0].extra: expected parameters that packsmith does not set itself"),
    "no share": ("kinds: [seed]", "models[0].kinds: expected kinds of patch, rewrite, crossover and repair"),
    "unknown kind": ("kinds: [patches]", "models[0].kinds[0]: expected one of"),
    "unknown interface": ("api: completions", "models[0].api: expected one of 'chat' or 'responses'"),
    "stall of no stream": ("stall_s: 5", "expected stall_s beside stream: true"),
    "limit of responses": ("api: responses, limit_key: max_tokens", "expected limit_key beside api: chat"),
    "typo": ("max_output_token: 5", "did you mean `models[0].max_output_tokens`?"),
    "price typo": ("price: {input: 1, output: 2, cached: 1}", "did you mean `models[0].price.cached_input`?"),
    "half a price": ("price: {input: 1}", "the key `models[0].price.output` is required"),
    "negative price": ("price: {input: -1, output: 1}", "models[0].price.input: expected a number at least 0"),
    "no tries": ("tries: 0", "models[0].tries: expected a number at least 1"),
}


class TestRefusals:
    @pytest.mark.parametrize(("keys", "words"), REFUSED.values(), ids=REFUSED)
    def test_say_what_and_where_and_show_no_key(self, tmp_path: Path, keys: str, words: str) -> None:
        message = refused(tmp_path, MINIMAL + f"models: [{{name: m, {keys}}}]\n")
        assert words in message and "my.yaml:4: " in message

    @pytest.mark.parametrize(
        "assignment",
        [
            f"models[0].api_key={KEY}",
            f"models[0].api_key_env={KEY}",
            f"models[0].key={KEY}",
            f"models[0].base_url=http://me:{KEY}@host/v1",
        ],
    )
    def test_on_the_command_line_show_no_key_either(self, tmp_path: Path, assignment: str) -> None:
        assert "***" in refused(tmp_path, MINIMAL + MODEL, assignment)

    @pytest.mark.parametrize(
        ("extra", "words"),
        [
            ("proposer: {shares: {patch: 0, rewrite: 0, crossover: 0, repair: 0}}", "expected a share above 0"),
            ("proposer: {shares: {patch: 1e308, rewrite: 1e308}}", "expected shares whose sum is a number"),
            ("proposer: {shares: {seed: 1}}", "unknown key `proposer.shares.seed`"),
            ("proposer: {form: x}", "did you mean `proposer.from`?"),
            ("proposer: {from_: x}", "unknown key `proposer.from_`; did you mean `proposer.from`?"),
            ("proposer: {repair: 1}", "did you mean `proposer.repairs`?"),
            ("proposer: {bandit: {discount: 1.5}}", "proposer.bandit.discount: expected a number at most 1"),
            ("proposer: {choice: best}", "proposer.choice: expected one of 'weights' or 'bandit'"),
        ],
    )
    def test_mistakes_in_the_proposer_are_named(self, tmp_path: Path, extra: str, words: str) -> None:
        assert words in refused(tmp_path, MINIMAL + MODEL + extra + "\n")


class TestKeys:
    def models(self, folder: Path, more: str = "") -> Any:
        return loaded(folder, MINIMAL + f"models: [{{name: m{more}}}]\n").models

    def test_default_is_openai(self, tmp_path: Path) -> None:
        [model] = keyed(self.models(tmp_path), {"OPENAI_API_KEY": f" {KEY}\n"})
        assert (model.key.reveal(), model.base_url, model.sent_limit_key) == (KEY, OPENAI_URL, "max_completion_tokens")

    def test_default_address_may_come_from_the_environment(self, tmp_path: Path) -> None:
        environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://localhost:1/v1/"}
        [model] = keyed(self.models(tmp_path), environment)
        assert (model.base_url, model.sent_limit_key) == ("http://localhost:1/v1", "max_tokens")
        [other] = addressed(self.models(tmp_path, ", base_url: 'http://own/v1'"), environment)
        assert other.base_url == "http://own/v1"

    def test_wrong_address_in_the_environment(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="the environment variable OPENAI_BASE_URL: expected an address such as"):
            keyed(self.models(tmp_path), {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "localhost"})

    def test_is_not_sent_to_another_address_unless_named(self, tmp_path: Path) -> None:
        environment = {"OPENAI_API_KEY": KEY, "OTHER_KEY": "other-key"}
        [model] = keyed(self.models(tmp_path, ", base_url: 'http://own/v1'"), environment)
        assert (model.key.reveal(), model.key_env) == ("", "")
        [model] = keyed(self.models(tmp_path, ", base_url: 'http://own/v1', api_key_env: OTHER_KEY"), environment)
        assert model.key.reveal() == "other-key"

    @pytest.mark.parametrize("environment", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_API_KEY": " \n"}])
    def test_a_key_that_is_not_set_is_named(self, tmp_path: Path, environment: dict[str, str]) -> None:
        with pytest.raises(ConfigError) as error:
            keyed(self.models(tmp_path), environment)
        assert "models[0].api_key_env: the environment variable OPENAI_API_KEY is not set" in str(error.value)
        assert "export OPENAI_API_KEY=..." in str(error.value)

    def test_two_keys_that_are_not_set_are_both_named(self, tmp_path: Path) -> None:
        models = loaded(tmp_path, MINIMAL + "models: [{name: m}, {name: n, api_key_env: OTHER_KEY}]\n").models
        with pytest.raises(ConfigError, match=r"(?s)OPENAI_API_KEY is not set.*OTHER_KEY is not set"):
            keyed(models, {})

    @pytest.mark.parametrize("key", ["sk-1234 5678-secret", '"sk-ключ"', "sk-\x00secret"])
    def test_an_invalid_key_is_not_shown(self, tmp_path: Path, key: str) -> None:
        with pytest.raises(ConfigError) as error:
            keyed(self.models(tmp_path), {"OPENAI_API_KEY": key})
        assert "OPENAI_API_KEY holds blanks or characters that no key has" in str(error.value)
        assert key not in str(error.value)

    def test_a_key_is_neither_stored_nor_shown(self, tmp_path: Path) -> None:
        config = loaded(tmp_path, MINIMAL + MODEL)
        models = keyed(config.models, {"OPENAI_API_KEY": KEY})
        assert KEY not in repr(models) + repr(config) + json.dumps(config.resolved())


def snippets() -> dict[str, str]:
    """The entries for other endpoints that eplb.yaml shows as comments, by the line that introduces each."""
    text = shipped("configs/eplb.yaml").read_text().partition("# Other endpoints")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    title = ""
    for line in text.splitlines()[1:]:
        if re.match(r"#   - |#      ", line):
            found[title] += line[3:] + "\n"
        elif len(line) > 1:
            title = line[2:].partition(" (")[0].rstrip(":")
            found[title] = ""
    return found


class TestEndpoints:
    def test_all_kinds_are_shown(self) -> None:
        assert list(snippets()) == ["vLLM, SGLang", "Ollama", "llama.cpp", "LiteLLM's proxy", "OpenRouter", "Azure"]

    @pytest.mark.parametrize("text", snippets().values(), ids=snippets())
    def test_each_snippet_works_in_a_config(self, tmp_path: Path, text: str) -> None:
        config = loaded(tmp_path, MINIMAL + "models:\n" + text)
        assert yaml.safe_load(text)[0]["name"] == config.models[0].name
        environment = {model.key_env: KEY for model in config.models if model.key_env}
        [model] = keyed(configured(config.raw), environment)
        assert model.sent_limit_key == ("max_completion_tokens" if model.azure else "max_tokens")
        assert bool(model.key.reveal()) == ("localhost" not in model.base_url or "4000" in model.base_url)
