"""The whole of it: `python -m tests.fuzz --seed 1 --inputs 100000`."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from tests.fuzz.campaign import run_campaign
from tests.fuzz.structured import run_structured

FINDINGS_SHOWN = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=105_000, help="a third of each kind")
    options = parser.parse_args()
    third = options.inputs // 3
    began = time.monotonic()
    print(f"seed {options.seed}: {third} inputs of each kind", flush=True)
    statuses = run_structured(number=third, of_seed=options.seed)
    print(f"structured requests: {sum(statuses.values())}: {dict(sorted(statuses.items()))}", flush=True)
    with TemporaryDirectory() as folder:
        campaign = partial(
            run_campaign, seed=options.seed, clients=third, providers=third, log=Path(folder) / "gateway.log"
        )
        outcome = trio.run(campaign)
    print(f"broken requests and broken answers: {outcome.ends.total()}: {dict(sorted(outcome.ends.items()))}")
    print(f"held before: {outcome.before}\nheld after:  {outcome.after}")
    for finding in outcome.findings[:FINDINGS_SHOWN]:
        print(finding)
    print(f"{len(outcome.findings)} findings in {time.monotonic() - began:.0f} s")
    return bool(outcome.findings)


if __name__ == "__main__":
    sys.exit(main())
