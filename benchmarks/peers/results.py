"""Result files: one for each device, a section for each kind of measurement."""

import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def slug(device: str) -> str:
    """A device in the name of a file, such as `2-x-cpu`."""
    return device.replace(",", "").replace("/", "-").replace(" ", "-").lower()


def path_of(folder: Path, device: str, quick: bool) -> Path:
    """Where results on a device go, such as `peers-2-x-cpu.json` for `2 x cpu`."""
    return folder / f"peers-{'quick-' * quick}{slug(device)}.json"


def keep(path: Path, device: str, kind: str, section: dict[str, Any]) -> None:
    """Put a section into a file in place of the one there; other sections stay.

    The file is whole at any time.
    """
    told = json.loads(path.read_text()) if path.exists() else {}
    told = {"device": device, **told, kind: section}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".json.part")
    beside.write_text(json.dumps(told, indent=1) + "\n")
    os.replace(beside, path)


def committed(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What was measured in full, device by device."""
    paths = sorted(folder.glob("peers-*.json"))
    return [json.loads(p.read_text()) for p in paths if not p.name.startswith("peers-quick-")]
