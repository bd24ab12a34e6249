"""The recipes of harness/SCALE.md: their text parses, and they name keys that a config has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from harness.config import load


def blocks(root: Path, language: str) -> list[str]:
    page = (root / "harness/SCALE.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_scripts_parse(root: Path) -> None:
    scripts = blocks(root, "bash")
    assert scripts
    for script in scripts:
        assert subprocess.run(["bash", "-n"], input=script.encode(), check=False).returncode == 0


def test_manifests_and_sections_parse(root: Path) -> None:
    trees = [yaml.safe_load(text) for text in blocks(root, "yaml")]
    section, job = trees
    options = [f"executor.{key}={value}" for key, value in section["executor"].items()]
    assert load(root / "configs/ray.yaml", options).raw.executor.workers == 64
    assert (job["kind"], job["apiVersion"]) == ("RayJob", "ray.io/v1")
    groups = [job["spec"]["rayClusterSpec"]["headGroupSpec"], *job["spec"]["rayClusterSpec"]["workerGroupSpecs"]]
    for group in groups:
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"] and isinstance(group["rayStartParams"], dict)


def test_commands_set_keys_that_there_are(root: Path) -> None:
    text = (root / "harness/SCALE.md").read_text(encoding="utf-8")
    for key, value in re.findall(r"-s (executor\.\w+)=(\w+)", text):
        load(root / "configs/ray.yaml", [f"{key}={value}"])
