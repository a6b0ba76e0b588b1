"""`python -m ml.testing.record_vectors`: a life with recorded decisions for each policy's newest version.

A file that is there already is never written again: its decisions have to come out the same for ever. Who
changes what a policy decides gives it a new version, and runs this.
"""

import json
from pathlib import Path

from ml.recommender.policies import CURRENT
from ml.testing.life import Life

DAYS = 10
"""Long enough that a policy which learns from tips alone has learned from ten."""
FOLDER = Path(__file__).parents[1] / "recommender" / "policies" / "vectors"


def main() -> None:
    for number, policy in enumerate(CURRENT.values()):
        file = FOLDER / f"{policy.name}.{policy.version}.jsonl"
        if file.exists():
            print(f"{file.name}: kept")
            continue
        life = Life(70 + number, policy)
        life.live(DAYS)
        life.ask()
        lines = (json.dumps(envelope, separators=(",", ":")) for envelope in life.envelopes)
        file.write_text("".join(f"{line}\n" for line in lines))
        print(f"{file.name}: {len(life.envelopes)} events, {len(life.decisions)} decisions")


if __name__ == "__main__":
    main()
