"""`packsmith search --dry-run`: the plan is printed, and nothing else happens."""

from __future__ import annotations

from pathlib import Path

from tests.cli.runs import Cli, environment
from tests.stub import Stub

KEY = "sk-secret-0123456789abcdef"


def test_plan_of_a_search_with_a_model(cli: Cli) -> None:
    with Stub() as stub:
        done = cli(
            *("search", "configs/eplb.yaml", "--dry-run", "-s", "models[0].name=gpt-x", "--run", "new"),
            *("-s", "models[0].price={input: 1, output: 10}", "-s", "budget.usd=5", "-s", "search.in_flight=16"),
            env=environment(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=stub.base_url),
        )
        assert done.code == 0, done.err
        assert f"gpt-x at {stub.base_url} (chat), key in OPENAI_API_KEY (set)" in done.out
        assert "400 attempts, 240 minutes, $5, 20,000,000 tokens" in done.out
        assert "would be the new best, up to 10 s on the gate" in " ".join(done.out.split())
        assert "new (new)" in done.out and "16 calls at once" in done.out
        assert "6,000 calls, 20,000,000 tokens, $5.00" in done.out
        assert "missing" not in done.out and KEY not in done.out + done.err
        assert not stub.asked
    assert not (cli.cwd / "new").exists()


def test_missing_keys_and_prices_are_named(cli: Cli) -> None:
    args = ("search", "configs/eplb.yaml", "--dry-run", "-s", "models[0].name=gpt-x")
    done = cli(*args, env=environment(OPENAI_API_KEY=None, OPENAI_BASE_URL=None))
    assert done.code == 0
    assert "(not set)" in done.out and "export OPENAI_API_KEY=..." in done.out
    assert "dollars unknown (state models[].price)" in done.out


def test_as_json(cli: Cli) -> None:
    done = cli(
        *("search", "configs/eplb.yaml", "--dry-run", "--json", "-s", "budget={attempts: 10, calls: 7}"),
        *("-s", "models=[{name: m, base_url: 'http://h/v1', price: {input: 1, output: 0}, max_output_tokens: 96}]"),
    )
    [plan] = done.records
    [model] = plan["models"]
    assert (model["key_env"], model["key_is_set"], model["base_url"]) == (None, None, "http://h/v1")
    # A prompt of 32,000 tokens is 96,000 bytes, and each might be a token; then what its six messages' frames take.
    assert model["most_tokens_a_try"] == 96_000 + 6 * 16 + 64 + 96
    assert model["most_usd_a_try"] == (96_000 + 6 * 16 + 64) / 1e6
    assert plan["worst_case"]["calls"] == 7
    assert plan["held_out"] == {"gate": plan["cases"], "final": plan["cases"]} and plan["duel_s"] == 10
    assert plan["worst_case"]["usd"] == 7 * model["most_usd_a_try"]
    assert 5_000 < plan["prompt"]["first_bytes"] < plan["prompt"]["most_tokens"] * 3


def test_a_budget_below_the_cost_of_a_large_prompt_gives_a_warning(cli: Cli) -> None:
    model = "models=[{name: m, base_url: 'http://h/v1', price: {input: 1, output: 1}, max_output_tokens: 900}]"
    done = cli("search", "configs/eplb.yaml", "--dry-run", "-s", model, "-s", "budget.usd=0.05")
    assert "warning" in done.out and "more than budget.usd" in done.out


def test_a_catalogue_search_calls_no_model(cli: Cli) -> None:
    done = cli("search", "tiny.yaml", "--dry-run")
    assert done.code == 0 and "models      no model is called" in done.out
    assert "held out    no loads" in done.out
    assert not Path(cli.cwd / "runs").exists()


def test_an_existing_run_continues(cli: Cli, own_run: Path) -> None:
    assert "(continues)" in cli("search", "tiny.yaml", "--dry-run", "--run", own_run).out


def test_a_model_without_a_name_is_refused(cli: Cli) -> None:
    assert "add -s models[0].name=NAME" in cli.refused("search", "configs/eplb.yaml", "--dry-run")
