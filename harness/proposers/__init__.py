"""The proposers the search knows, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from harness.proposers import catalogue, llm, mix, replay
from harness.proposers.base import (
    EXTERNAL_PROPOSER,
    LLM_PROPOSER,
    MIX,
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
    {"catalogue": catalogue.build, "llm": llm.build, "mix": mix.build, "replay": replay.build}
)

__all__ = [
    "EXTERNAL_PROPOSER",
    "LLM_PROPOSER",
    "MIX",
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
