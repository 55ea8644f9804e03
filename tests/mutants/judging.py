"""Run the suite on a gateway of `tests/mutants`: as its users would, from a target file, in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from routeproof.shipped import TARGETS

SERVE: Final = Path(__file__).with_name("serve.py")
SECONDS_MAX: Final = 300

_STARTED: Final = '"{{ python }}", "-m", "routeproof", "serve"'


def target_of(name: str, folder: Path) -> Path:
    """Write the target file of the reference, started as the gateway *name*, into *folder*."""
    text = (TARGETS / "reference.toml").read_text()
    assert _STARTED in text
    shutil.copy(TARGETS / "reference-gateway.toml.j2", folder)
    path = folder / "target.toml"
    path.write_text(text.replace(_STARTED, f'"{{{{ python }}}}", "{SERVE}", "{name}"'))
    return path


def judged(name: str, folder: Path, *, requirements: Sequence[str] = ()) -> tuple[int, Any]:
    """Return the exit code and the report of the suite on the gateway *name*, of all *requirements* or of those."""
    command = [sys.executable, "-m", "routeproof", "check", f"--target={target_of(name, folder)}"]
    command += [f"--requirement={each}" for each in requirements] + [f"--report={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    report = folder / "report.json"
    assert report.exists(), f"{done.stdout}\n{done.stderr}"
    return done.returncode, msgspec.json.decode(report.read_bytes())
