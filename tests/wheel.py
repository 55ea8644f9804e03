"""Build the wheel, install it alone into a new environment, and prove the reference gateway from it.

Run by `make wheel-test`. What only works in a checkout (a data file that was not packaged, an import of a test tool)
fails here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: seconds; nothing here takes longer on a slow machine, and nothing may hang
STEP_SECONDS_MAX = 600


def run(*command: str | Path, cwd: Path) -> str:
    """Run *command* and return what it printed; end with its output where it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=STEP_SECONDS_MAX, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> None:
    """Build, install, use."""
    with tempfile.TemporaryDirectory(prefix="routeproof-wheel-") as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
        (wheel,) = folder.glob("*.whl")
        venv.create(folder / "venv", with_pip=True)
        binaries = folder / "venv" / "bin"
        run(binaries / "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel, cwd=folder)
        sys.stdout.write(run(binaries / "routeproof", "--version", cwd=folder))
        run(binaries / "routeproof", "requirements", "fallback.order.listed", cwd=folder)
        run(binaries / "routeproof", "demo", "--report", folder / "report", cwd=folder)
        report = json.loads((folder / "report" / "report.json").read_text())
        verdicts = {profile["name"]: profile["verdict"] for profile in report["profiles"]}
        sys.stdout.write(f"demo from {wheel.name}: {verdicts}\n")
        if not report["complete"] or "conformant" not in verdicts.values():
            sys.exit("the demo of the built wheel left no complete report")


if __name__ == "__main__":
    main()
