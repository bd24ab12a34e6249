"""The patch format: reading a reply, applying it to a program, writing one, and saying why one is refused."""

from harness.patch.applying import apply
from harness.patch.diffing import diff
from harness.patch.patch import apply_reply, parse, render, title
from harness.patch.refusals import PatchError
from harness.patch.thoughts import without_thoughts

__all__ = ["PatchError", "apply", "apply_reply", "diff", "parse", "render", "title", "without_thoughts"]
