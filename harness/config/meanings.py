"""What each key of a config means: the text below it in the schema.

Owns: reading these texts from the source of the schema, since Python does not keep them. Does not know: any key, what
the texts are shown in.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from itertools import pairwise

from pydantic import BaseModel

from evaluator.screen import parse
from harness.config import knowledge_schema, mix_schema, model_schema, rules_schema, schema

Meanings = Mapping[tuple[str, str], str]
"""The text of each key, which is named by its section's class and its own name there."""


def meanings() -> Meanings:
    """The texts of all keys. A key without a text is left out."""
    modules = (schema, mix_schema, rules_schema, model_schema, knowledge_schema)
    trees = [parse(inspect.getsource(module)) for module in modules]
    return {
        (section.name, key): text
        for tree in trees
        for section in tree.body
        if isinstance(section, ast.ClassDef)
        for key, text in _texts(section)
    }


def _texts(section: ast.ClassDef) -> list[tuple[str, str]]:
    return [
        (node.target.id, inspect.cleandoc(str(below.value.value)))
        for node, below in pairwise(section.body)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    ]


def section_text(section: type[BaseModel]) -> str:
    """What a section is for, on one line."""
    return " ".join((inspect.getdoc(section) or "").split())
