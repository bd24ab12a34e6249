"""The verbs of the command, one module each; `evaluate` and `replay` are in `harness.cli.judge_verbs`."""
