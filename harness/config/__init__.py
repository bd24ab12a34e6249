"""The config: one strict YAML file, its defaults and the command line's overrides.

Owns: what a config is. `schema` names the keys, `document` reads the text, `problems` words the errors, `files` finds
the named files, `config` combines them, `stored` restores a run's config, `json_schema` describes a config to editors.
Does not know: how anything it configures works.
"""

from harness.config.config import Config, load
from harness.config.differences import conflicts, difference
from harness.config.document import ConfigError
from harness.config.files import File, find_all
from harness.config.json_schema import json_schema
from harness.config.stored import PROMPTS, REFERENCE, TASK, restored, stored_files, stored_objective

__all__ = [
    "PROMPTS",
    "REFERENCE",
    "TASK",
    "Config",
    "ConfigError",
    "File",
    "conflicts",
    "difference",
    "find_all",
    "json_schema",
    "load",
    "restored",
    "stored_files",
    "stored_objective",
]
