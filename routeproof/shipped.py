"""Files that come with the packages, by name: `reference` is the target file `reference.toml` that is shipped."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Final

import routeproof_conformance
import routeproof_simulator
from routeproof_spec.errors import ConfigError


def _folder(package: ModuleType, name: str) -> Path:
    assert package.__file__ is not None
    return Path(package.__file__).parent / name


TARGETS: Final = _folder(routeproof_conformance, "targets")
SCENARIOS: Final = _folder(routeproof_simulator, "scenarios")
FLEETS: Final = _folder(routeproof_simulator, "fleets")


def shipped(folder: Path) -> str:
    """Return the names that may be given for the files in *folder*, as a sentence lists them."""
    return ", ".join(sorted(each.stem for each in folder.glob("*.toml")))


def found(name: str, folder: Path) -> Path:
    """Return the file that *name* means: a path, or the name of a TOML file in *folder*; raise `ConfigError`."""
    for path in (Path(name), folder / f"{name}.toml"):
        if path.is_file():
            return path
    wanted = f"a TOML file, or the name of a shipped one ({shipped(folder)})"
    raise ConfigError(file=name, key="", found="no such file", wanted=wanted)
