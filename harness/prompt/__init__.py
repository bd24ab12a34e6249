"""Prompts: what a model is told, from values to messages. Pure, but for reading the templates."""

from harness.prompt.build import TooLarge, build, lighter, size
from harness.prompt.conversation import further_turn
from harness.prompt.material import Failure, Frame, IdeaGroup, Material, Results, Shown, Summary, TaskFacts
from harness.prompt.merge import Clash, Merge
from harness.prompt.sample import PROMPT_KINDS, check
from harness.prompt.templates import Templates, read_templates
from harness.prompt.text import data_line, error_text, fenced, identifier, seen, shortened, tokens

__all__ = [
    "PROMPT_KINDS",
    "Clash",
    "Failure",
    "Frame",
    "IdeaGroup",
    "Material",
    "Merge",
    "Results",
    "Shown",
    "Summary",
    "TaskFacts",
    "Templates",
    "TooLarge",
    "build",
    "check",
    "data_line",
    "error_text",
    "fenced",
    "further_turn",
    "identifier",
    "lighter",
    "read_templates",
    "seen",
    "shortened",
    "size",
    "tokens",
]
