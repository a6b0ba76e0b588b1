"""Posts what happened to oO and prints the tip that follows (OO_URL, OO_TOKEN)."""

import json
import os
import sys
import time
from urllib import error, request

URL = os.environ.get("OO_URL", "http://localhost:4646")
HEADERS = {"authorization": f"Bearer {os.environ.get('OO_TOKEN')}"}


def call(path, body=None):
    try:
        asked = request.Request(URL + path, body and json.dumps(body).encode(), HEADERS)
        asked.add_header("content-type", "application/json")
        return json.load(request.urlopen(asked, timeout=10))
    except error.URLError as wrong:  # where oO refuses, there is a problem to be read
        sys.exit(f"{URL}: {wrong} {getattr(wrong, 'read', bytes)().decode()}")


now, key = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.time_ns()
task, page = {"ref": f"example:task:{key}"}, {"kind": "CONTEXT_KIND_PAGE_OPENED"}
for kind, data in ("TaskObserved", task), ("ContextObserved", page):
    signal = {"type": kind, "idempotencyKey": f"{kind}-{key}", "occurredAt": now}
    call("/v1/signals", signal | {"data": data})
for _ in range(100):
    if tip := call("/v1/tip")["tip"]:
        sys.exit(print(tip["title"]))
    time.sleep(0.5)
sys.exit("No tip so far. Silence is a decision too: `npx oo timeline USER` shows it.")
