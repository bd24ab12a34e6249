"""The keys of what prompts tell of a search.

Owns: the section, its types and defaults. Does not know: files, YAML, how ideas are told apart or shown.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from harness.config.model_schema import Section
from harness.proposers import ProposerOptions

_OPTIONS = ProposerOptions()


class KnowledgeSection(Section):
    """What prompts tell of a search as a whole."""

    ideas: int = Field(default=_OPTIONS.ideas, ge=0, le=50)
    """Ideas that a prompt lists with what each bought, at most; 0 lists the parent's children instead."""
    summary_every: int | None = Field(default=_OPTIONS.summary_every, ge=2, le=1000)
    """Prompts until one asks again for a summary with the answer, which later prompts show; none is never."""

    @model_validator(mode="after")
    def _from_ideas(self) -> KnowledgeSection:
        if self.summary_every is not None and not self.ideas:
            raise ValueError("ideas above 0 beside summary_every, since a summary is made from them|ideas: 0")
        return self
