"""Lines that an agent sends: each is JSON that holds whole characters only."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from harness.mcp.wire import sound


@given(
    st.lists(st.sampled_from([*"\ud800\udc00\ud83d\ude00\U0001f600\\u\n", "ud800", "plain"]), max_size=12).map("".join)
)
def test_half_characters_are_replaced_and_all_else_is_kept(text: str) -> None:
    heard = json.loads(sound(json.dumps({"program": text})))["program"]
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert len(heard) == len(joined) and "".join(heard.split("\ufffd")) == "".join(joined.split("\ufffd"))
    heard.encode()
