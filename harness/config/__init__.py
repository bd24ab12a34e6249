"""The config: one strict YAML file, its defaults and the command line's overrides.

`schema` names the keys, `document` reads the text, `problems` words the errors, `files` finds what is named, `config`
puts them together.
"""

from harness.config.config import ASKED, Config, difference, load, scoring_part
from harness.config.document import ConfigError
from harness.config.files import File, find_all
from harness.config.stored import REFERENCE, restored, stored_objective

__all__ = [
    "ASKED",
    "REFERENCE",
    "Config",
    "ConfigError",
    "File",
    "difference",
    "find_all",
    "load",
    "restored",
    "scoring_part",
    "stored_objective",
]
