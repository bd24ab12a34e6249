"""The config: one strict YAML file, its defaults and the command line's overrides.

`schema` names the keys, `document` reads the text, `problems` words the errors, `files` finds what is named, `config`
puts them together.
"""

from harness.config.config import Config, difference, load, scoring_part
from harness.config.document import ConfigError
from harness.config.files import File

__all__ = ["Config", "ConfigError", "File", "difference", "load", "scoring_part"]
