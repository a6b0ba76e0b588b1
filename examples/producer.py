"""Posts what happened to oO and prints the tip that follows (OO_URL, OO_TOKEN)."""

import json
import os
import time
from urllib import error, request

URL = os.environ.get("OO_URL", "http://localhost:4646")
HEADERS = {"authorization": f"Bearer {os.environ.get('OO_TOKEN')}", "content-type": "application/json"}


def call(path, body=None):
    try:
        return json.load(request.urlopen(request.Request(URL + path, body and body.encode(), HEADERS)))
    except error.URLError as wrong:  # where oO refuses, there is a problem to be read
        raise SystemExit(f"{URL}: {wrong} {getattr(wrong, 'read', bytes)().decode()}") from wrong


now, key = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), str(time.time_ns())
signal = {"type": "ContextObserved", "idempotencyKey": key, "occurredAt": now}
call("/v1/signals", json.dumps(signal | {"data": {"kind": "CONTEXT_KIND_PAGE_OPENED"}}))
for _ in range(100):
    if (tip := call("/v1/tip")["tip"]) and tip["proposedAt"] >= now[:19]:
        raise SystemExit(print(tip["title"]))
    time.sleep(0.5)
raise SystemExit("No new tip. Silence is a decision too: `npx oo timeline USER` shows it.")
