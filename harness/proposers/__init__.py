"""The proposers the search knows, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from harness.proposers import catalogue
from harness.proposers.base import PatchText, Proposer, ProposerOptions, View

PROPOSERS: Mapping[str, Callable[[ProposerOptions], Proposer]] = MappingProxyType({"catalogue": catalogue.build})

__all__ = ["PROPOSERS", "PatchText", "Proposer", "ProposerOptions", "View"]
