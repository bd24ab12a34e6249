"""The shares of a mix of proposers in a config, and which kind of proposer a config means.

Owns: the keys of `proposer.mix`, and what `kind`, `mix` and `models` imply together. Does not know: files, how a mix
takes turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field, model_validator

from harness.config.document import ConfigError, Document
from harness.config.model_schema import Section
from harness.proposers import EXTERNAL_PROPOSER, LLM_PROPOSER, MIX

_MOST = 1000
"""A share that no sum of shares can lift over what a number holds."""


class MixSection(Section):
    """Several proposers in one search: how many of the attempts each makes, relative to the others."""

    llm: float = Field(default=0.0, ge=0, le=_MOST)
    """The models of `models`."""
    catalogue: float = Field(default=0.0, ge=0, le=_MOST)
    """The offline catalogue, which costs no money."""
    replay: float = Field(default=0.0, ge=0, le=_MOST)
    """The replies recorded in `from`."""

    @model_validator(mode="before")
    @classmethod
    def _from_outside(cls, written: Any) -> Any:
        if isinstance(written, Mapping) and EXTERNAL_PROPOSER in written:
            raise ValueError(
                "shares of llm, catalogue and replay|ask, which needs none: packsmith ask and tell work in a run "
                "while it is searched"
            )
        return written

    @model_validator(mode="after")
    def _some_share(self) -> MixSection:
        if not self.shares:
            raise ValueError("a share above 0, as in {llm: 6, catalogue: 2}|none")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """The shares above 0, each by its proposer."""
        return {name: share for name, share in self.model_dump().items() if share > 0}


def with_kind(document: Document) -> Document:
    """The document with `proposer.kind` added where it is implied: `mix` by a mix, `llm` by models; also where the file
    gives another kind, and the command line gives a mix or models and no kind. Raises ConfigError for a mix beside
    another kind.
    """
    proposer = document.tree.get("proposer", {})
    if not isinstance(proposer, dict):
        return document
    kind, mix = proposer.get("kind"), proposer.get(MIX)
    kind_over = bool({"proposer", "proposer.kind"} & document.laid_over) and kind is not None
    mix_over = bool(mix) and any(path == "proposer" or path.startswith("proposer.mix") for path in document.laid_over)
    models = bool(document.tree.get("models"))
    models_over = models and any(path.startswith("models") for path in document.laid_over)
    if mix and kind not in (None, MIX) and kind_over == mix_over:
        raise ConfigError(
            f"{document.where(('proposer', 'kind'))}: proposer.kind: expected mix, or no kind, beside proposer.mix, "
            f"found {kind!r}: leave one of the two out"
        )
    asks = isinstance(mix, Mapping) and bool(mix.get(LLM_PROPOSER))
    if mix and (mix_over or (not kind_over and (asks or not models_over))):
        return _of_kind(document, proposer, MIX)
    if models and (kind is None or (models_over and not kind_over)):
        return _of_kind(document, proposer, LLM_PROPOSER)
    return document


def _of_kind(document: Document, proposer: Mapping[str, Any], kind: str) -> Document:
    return replace(document, tree={**document.tree, "proposer": {**proposer, "kind": kind}})
