#!/usr/bin/env bash
# Software  openai 3.57.0 (Python client) on httpx2 2.16.2; a local stub in place of the model's server
# Guess     A 429 or 503 whose Retry-After is too long to wait for is tried again all the same, after the client's
#           own short delay, as often as `max_retries` says.
# Seen      A short Retry-After is waited for, and the call succeeds. One of 121 seconds or more is not waited for,
#           and there is no second try either: the call raises at once, after one request, whatever `max_retries`
#           says. The same reply without the header is tried again after about half a second, and succeeds.
# Output    429, no Retry-After      ok              2 requests
#           429, Retry-After: 2      ok              2 requests
#           429, Retry-After: 121    RateLimitError  1 request
#           503, Retry-After: 600    InternalServerError  1 request
# Matters   A search of many hours meets quotas a minute and quotas an hour. With max_retries=10 it rides out servers
#           that say nothing and ends within milliseconds at a polite one that says "come back in ten minutes".
#           Read the header of the error and wait yourself, and do not count such an answer as a failed proposal.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check openai==3.57.0 httpx2==2.16.2

cat > probe.py <<'PY'
import http.server
import json
import threading

from openai import APIStatusError, OpenAI

answer = {"status": 429, "retry_after": None, "requests": 0}
MESSAGE = {"role": "assistant", "content": "ok"}
REPLY = {"id": "1", "object": "chat.completion", "created": 1, "model": "stub"}
REPLY["choices"] = [{"index": 0, "finish_reason": "stop", "message": MESSAGE}]


class Stub(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        answer["requests"] += 1
        refused = answer["requests"] == 1  # the second request would be served
        body = b"{}" if refused else json.dumps(REPLY).encode()
        self.send_response(answer["status"] if refused else 200)
        if refused and answer["retry_after"]:
            self.send_header("Retry-After", answer["retry_after"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = OpenAI(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=10)


def call(status, retry_after):
    answer.update(status=status, retry_after=retry_after, requests=0)
    try:
        reply = client.chat.completions.create(model="stub", messages=[{"role": "user", "content": "hello"}])
        outcome = reply.choices[0].message.content
    except APIStatusError as error:
        outcome = type(error).__name__
    header = f"Retry-After: {retry_after}" if retry_after else "no Retry-After"
    count = answer["requests"]
    print(f"{status}, {header:18s}  {outcome:14s}  {count} request{'s' if count > 1 else ''}", flush=True)
    return outcome, count


assert call(429, None) == ("ok", 2), "without the header it tries again"
assert call(429, "2") == ("ok", 2), "a short wait is kept"
assert call(429, "121") == ("RateLimitError", 1), "a long wait ends the call"
assert call(503, "600") == ("InternalServerError", 1), "whatever the status"
PY
venv/bin/python probe.py
