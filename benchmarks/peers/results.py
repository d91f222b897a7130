"""Result files: one for each device, a section for each kind of measurement."""

import json
from pathlib import Path
from typing import Any

from pages import RESULTS, slug, write_json


def path_of(folder: Path, device: str, quick: bool) -> Path:
    """Where results on a device go, such as `peers-2-x-cpu.json` for `2 x cpu`."""
    return folder / f"peers-{'quick-' * quick}{slug(device)}.json"


def keep(path: Path, device: str, kind: str, section: dict[str, Any]) -> None:
    """Put a section into a file in place of the one there; other sections stay."""
    sections = json.loads(path.read_text()) if path.exists() else {}
    write_json(path, {"device": device, **sections, kind: section}, indent=1)


def committed(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What was measured in full, device by device."""
    paths = sorted(folder.glob("peers-*.json"))
    return [json.loads(p.read_text()) for p in paths if not p.name.startswith("peers-quick-")]
