"""The proposers the search knows, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from harness.proposers import catalogue, llm, replay
from harness.proposers.base import (
    EXTERNAL_PROPOSER,
    LLM_PROPOSER,
    Contender,
    PatchText,
    Proposer,
    ProposerOptions,
    Recorded,
    Shares,
    View,
)
from harness.proposers.replay import recorded_replies, recorded_run

PROPOSERS: Mapping[str, Callable[[ProposerOptions], Proposer]] = MappingProxyType(
    {"catalogue": catalogue.build, "llm": llm.build, "replay": replay.build}
)

__all__ = [
    "EXTERNAL_PROPOSER",
    "LLM_PROPOSER",
    "PROPOSERS",
    "Contender",
    "PatchText",
    "Proposer",
    "ProposerOptions",
    "Recorded",
    "Shares",
    "View",
    "recorded_replies",
    "recorded_run",
]
