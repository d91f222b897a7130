"""The sections of README.md and docs/speed.md about results, between markers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pages import ROOT, replace_between
from peers.tables import NOTE, every_row, sentence, side_by_side, versions, whole_job

README, PAGE = ROOT / "README.md", ROOT / "docs" / "speed.md"
PLOT = ROOT / "docs" / "peers-throughput.svg"
HEADING = "## Against one trial at a time"
MORE = "[Every case, and how it is measured](docs/speed.md); `python scripts/benchmark_peers.py`."
SHOWN = "trial-epochs per second"
NONE = "Nothing was measured yet."


def short(results: Sequence[dict[str, Any]]) -> str:
    """The section of README.md."""
    parts = []
    for device in results:
        if jobs := device.get("job"):
            parts += [f"**{device['device']}** ({versions(jobs)})", *whole_job(jobs)]
    return "\n\n".join([HEADING, *(parts or [NONE]), MORE])


def long(results: Sequence[dict[str, Any]]) -> str:
    """The section of docs/speed.md: noise of one length, the best populations and every row."""
    parts = [NOTE, f"![{SHOWN}]({PLOT.name})"]
    for device in results:
        if throughput := device.get("throughput"):
            about = f"**{device['device']}** ({versions(throughput)}), {SHOWN}"
            parts += [about, *side_by_side(throughput), sentence(throughput), every_row(throughput)]
    return "\n\n".join(parts) if len(parts) > 2 else NONE


def write_pages(
    results: Sequence[dict[str, Any]], readme: Path = README, page: Path = PAGE
) -> None:
    """Rewrite both sections."""
    for path, section in ((readme, short(results)), (page, long(results))):
        text = replace_between(path.read_text(encoding="utf-8"), "peers", section)
        path.write_text(text, encoding="utf-8")
