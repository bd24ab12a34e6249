"""The config: one strict YAML file, its defaults and the command line's overrides.

`schema` names the keys, `document` reads the text, `problems` words the errors, `files` finds what is named, `config`
puts them together.
"""

from harness.config.config import Config, difference, load
from harness.config.document import ConfigError
from harness.config.files import File, find_all
from harness.config.stored import REFERENCE, restored, stored_objective

__all__ = [
    "REFERENCE",
    "Config",
    "ConfigError",
    "File",
    "difference",
    "find_all",
    "load",
    "restored",
    "stored_objective",
]
