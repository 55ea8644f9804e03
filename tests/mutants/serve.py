"""Start one wrong, or right but different, gateway: `python tests/mutants/serve.py NAME --config FILE --port PORT`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from routeproof.__main__ import main
from tests.mutants.catalogue import CHANGES

if __name__ == "__main__":
    CHANGES[sys.argv.pop(1)]()
    sys.argv.insert(1, "serve")
    main()
