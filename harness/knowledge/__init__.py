"""What a search has taught: its attempts by idea, with what each bought, as lines for a model. Pure."""

from harness.knowledge.ideas import NO_REPLY, Bought, Idea, Ideas
from harness.knowledge.summary import MOST_CHARACTERS, Summaries, Summary, summary_of
from harness.knowledge.telling import LONGEST_LINE, Told, told

__all__ = [
    "LONGEST_LINE",
    "MOST_CHARACTERS",
    "NO_REPLY",
    "Bought",
    "Idea",
    "Ideas",
    "Summaries",
    "Summary",
    "Told",
    "summary_of",
    "told",
]
