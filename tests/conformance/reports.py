"""A report with one check of every outcome."""

from pathlib import Path

from routeproof_conformance import collect
from routeproof_conformance.evidence import Statistic
from routeproof_conformance.judge.outcome import Outcome, Ruling
from routeproof_conformance.report import Report
from routeproof_conformance.settings import Settings
from routeproof_spec.history import Ended
from routeproof_spec.requirement import get_requirement
from tests.conformance.observing import attempt, case, observed

NASTY = "<script>alert(1)</script> & \x00 \ud800"


def report(*outcomes: Outcome, problem: str = "", is_made: bool = True) -> Report:
    """Return the report of a run that came to *outcomes*, each with a request from both sides."""
    run = collect.Run(settings=Settings(target=Path("target.toml")), started=1_700_000_000.0, problem=problem)
    bench = None
    for outcome in outcomes:
        made = case("chat.response.shape", name=f"chat/comes_to_{outcome}")
        bench = made.bench
        told = f'{{"error":{{"message":"the key sk-alpha {NASTY[:25]}"}}}}'.encode()
        made.evidence.add(observed(503, told, attempts=[attempt("alpha", 503, faults=("fail(status=503)",))]))
        made.evidence.add(observed(None, b"", ended=Ended.RESET, attempts=[attempt("beta", None, ended_at=0.0)]))
        made.evidence.note(f"a note {NASTY}".encode("utf-8", "replace").decode())
        made.evidence.statistics.append(
            Statistic(
                test="preference",
                question="is alpha preferred?",
                alpha=1e-6,
                beta=1e-3,
                n=12,
                seen="alpha 12",
                decision="held",
                power=0.999,
            )
        )
        broken = "chat.response.shape" if outcome in (Outcome.FAIL, Outcome.EXPECTED_FAIL) else None
        run.checks.append(
            collect.check(
                made,
                Ruling(outcome=outcome, reason="because th-secret said so", requirement=broken),
                requirements=[get_requirement("chat.response.shape")],
                says="A whole answer has its shape.",
                duration=0.25,
            )
        )
    target = case().bench.target
    return run.finished(target, bench if is_made else None, command="pytest", ended=1_700_000_001.5)
