"""What README.md and docs/speed.md say about results, between markers."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers.results import ROOT
from peers.tables import NOTE, every_row, sentence, side_by_side, versions, whole_job

README, PAGE = ROOT / "README.md", ROOT / "docs" / "speed.md"
PLOT = ROOT / "docs" / "peers-throughput.svg"
BETWEEN = re.compile(r"(<!-- peers: [^>]*-->\n).*?(<!-- end of peers -->)", re.DOTALL)
HEADING = "## Against one trial at a time"
MORE = "[Every case, and how it is measured](docs/speed.md); `python scripts/benchmark_peers.py`."
SHOWN = "trial-epochs per second"
NONE = "Nothing was measured yet."


def short(results: Sequence[dict[str, Any]]) -> str:
    """The section of README.md."""
    parts = [part for told in results for part in _short(told)]
    if any("throughput" in told for told in results):
        parts.append(f"![{SHOWN}](docs/{PLOT.name})")
    return "\n\n".join([HEADING, *(parts or [NONE]), MORE])


def _short(told: dict[str, Any]) -> list[str]:
    throughput, jobs = told.get("throughput"), told.get("job")
    about = [f"**{told['device']}** ({versions(throughput or jobs or {})})"]
    if jobs:
        about += whole_job(jobs)
    if throughput:
        about += [*side_by_side(throughput), sentence(throughput)]
    return about


def long(results: Sequence[dict[str, Any]]) -> str:
    """The section of docs/speed.md: every row."""
    parts = [NOTE, f"![{SHOWN}]({PLOT.name})"]
    for told in results:
        if throughput := told.get("throughput"):
            about = f"**{told['device']}** ({versions(throughput)}), {SHOWN}"
            parts += [about, every_row(throughput)]
    return "\n\n".join(parts) if len(parts) > 2 else NONE


def replaced(page: str, section: str) -> str:
    """A page with another section between its markers."""
    return BETWEEN.sub(lambda found: f"{found[1]}\n{section}\n\n{found[2]}", page)


def write_pages(
    results: Sequence[dict[str, Any]], readme: Path = README, page: Path = PAGE
) -> None:
    """Rewrite both sections."""
    for path, section in ((readme, short(results)), (page, long(results))):
        path.write_text(replaced(path.read_text(encoding="utf-8"), section), encoding="utf-8")
