#!/usr/bin/env bash
# Software  the chat template of gpt-oss, as trl 1.16.0 carries it, rendered by transformers 5.23.0 with Jinja2 3.1.6
# Guess     What a model replied can go back to it, word for word, as the assistant message of the next request: its
#           template renders the message and leaves the thoughts out, as Qwen3's does.
# Seen      A reply with the marks of its channels makes the template raise an error, so the request has no prompt. It
#           looks for the marks anywhere in the text: an answer that quotes one in a comment raises too. A reply
#           whose marks were dropped on the way (`analysis...assistantfinal...`) renders, thoughts and all, as an
#           answer. The answer alone renders; thoughts in a field `thinking` are left out.
# Output    gptoss  whole reply                          error: You have passed a message containing <|channel|> tags
#           gptoss  the answer                           prompt with the answer
#           gptoss  the answer, thoughts in `thinking`   prompt with the answer
#           gptoss  the answer, a mark in a comment      error: You have passed a message containing <|channel|> tags
#           gptoss  whole reply without its marks        prompt with thoughts and answer
#           qwen3   whole reply                          prompt with the answer
# Matters   A loop that asks for a repair sends the rejected reply back. Where the server leaves the marks in the text,
#           each such request fails, though the first one worked, and so does each later one of the conversation;
#           where it drops them, the model reads its thoughts as if it had answered so. Send the answer alone, and
#           look for the marks in programs too.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export TRANSFORMERS_VERBOSITY=error
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check transformers==5.23.0 jinja2==3.1.6
venv/bin/pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d wheel trl==1.16.0

cat > probe.py <<'PY'
import zipfile
from pathlib import Path

from jinja2.exceptions import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

(wheel,) = Path("wheel").glob("trl-1.16.0-*.whl")
with zipfile.ZipFile(wheel) as archive:
    templates = {name: archive.read(f"trl/chat_templates/{name}.jinja").decode() for name in ("gptoss", "qwen3")}
ASKED = {"role": "user", "content": "Sort the items downwards."}
REFUSED = {"role": "user", "content": "SEARCH does not match. Try again."}
RAW = "<|channel|>analysis<|message|>By size?<|end|><|start|>assistant<|channel|>final<|message|>items.sort()"


def request(what, model, reply):
    messages = [ASKED, {"role": "assistant", **reply}, REFUSED]
    try:
        prompts, _ = render_jinja_template([messages], chat_template=templates[model], add_generation_prompt=True)
    except TemplateError as error:
        said = f"error: {str(error)[:53]}"
    else:
        thoughts, answer = "By size?" in prompts[0], "items.sort()" in prompts[0]
        said = f"prompt with {'thoughts and answer' if thoughts else 'the answer' if answer else 'neither'}"
    print(f"{model:7s} {what:36s} {said}")
    return said


COMMENTED = "items.sort()  # what follows <|channel|>final<|message|>"
seen = [
    request("whole reply", "gptoss", {"content": RAW}),
    request("the answer", "gptoss", {"content": "items.sort()"}),
    request("the answer, thoughts in `thinking`", "gptoss", {"content": "items.sort()", "thinking": "By size?"}),
    request("the answer, a mark in a comment", "gptoss", {"content": COMMENTED}),
    request("whole reply without its marks", "gptoss", {"content": "analysisBy size?assistantfinalitems.sort()"}),
    request("whole reply", "qwen3", {"content": "<think>\nBy size?\n</think>\n\nitems.sort()"}),
]
refused, answer = "error: You have passed a message containing <|channel|> tags", "prompt with the answer"
assert seen[0] == refused, "the template takes no reply with its marks"
assert seen[1:3] == [answer, answer], "it takes the answer, and leaves thoughts out that come in their own field"
assert seen[3] == refused, "it finds marks within the answer"
assert seen[4] == "prompt with thoughts and answer", "it does not know thoughts without marks"
assert seen[5] == answer, "the template of Qwen3 leaves the thoughts out"
PY
venv/bin/python -W ignore probe.py
