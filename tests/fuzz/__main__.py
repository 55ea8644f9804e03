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
from tests.fuzz.described import run_described, running
from tests.fuzz.structured import run_structured

FINDINGS_SHOWN = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=105_000, help="a quarter of each kind")
    options = parser.parse_args()
    quarter = options.inputs // 4
    began = time.monotonic()
    print(f"seed {options.seed}: {quarter} inputs of each kind", flush=True)
    statuses = run_structured(number=quarter, of_seed=options.seed)
    print(f"structured requests: {sum(statuses.values())}: {dict(sorted(statuses.items()))}", flush=True)
    with TemporaryDirectory() as folder:
        campaign = partial(
            run_campaign, seed=options.seed, clients=quarter, providers=quarter, log=Path(folder) / "gateway.log"
        )
        outcome = trio.run(campaign)
    print(f"broken requests and broken answers: {outcome.ends.total()}: {dict(sorted(outcome.ends.items()))}")
    print(f"held before: {outcome.before}\nheld after:  {outcome.after}")
    with TemporaryDirectory() as folder, running(Path(folder)) as base_url:
        described = run_described(base_url, number=quarter, of_seed=options.seed)
    for name, answered in described.statuses.items():
        print(f"{name}: {dict(sorted(answered.items()))}")
    findings = [*map(str, outcome.findings), *described.findings]
    for finding in findings[:FINDINGS_SHOWN]:
        print(finding)
    print(f"{len(findings)} findings in {time.monotonic() - began:.0f} s")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
