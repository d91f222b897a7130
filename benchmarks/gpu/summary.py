"""What came of the parts: a line for each, and 0 only if all came to their end without an error.

python -m benchmarks.gpu.summary DEVICE FOLDER PART...
"""

import json
import sys
from pathlib import Path
from typing import Any

from pages import slug


def line(part: str, result: dict[str, Any] | None) -> tuple[bool, str]:
    """Whether a part is fine, and a line about it."""
    if result is None:
        return False, f"{part:<11} wrote no result"
    rows, seconds, left = len(result["rows"]), result["seconds"], len(result["left_out"])
    size = f"{part:<11} {seconds:6.0f} s {rows:4} rows {left:4} left out"
    if result["errors"]:
        return False, f"{size}  {len(result['errors'])} errors, first: {result['errors'][0]}"
    if not result["finished"]:
        return False, f"{size}  cut off in the middle"
    return True, f"{size}  {'; '.join(result['notes']) or 'fine'}"


def main() -> int:
    """Print the table; returns the exit status."""
    device, folder, *parts = sys.argv[1:]
    paths = [Path(folder, f"gpu-{part}-{slug(device)}.json") for part in parts]
    results = [json.loads(path.read_text()) if path.exists() else None for path in paths]
    lines = [line(part, result) for part, result in zip(parts, results, strict=True)]
    print("\n".join(text for _, text in lines))
    failed = [part for part, (fine, _) in zip(parts, lines, strict=True) if not fine]
    if failed:
        print(f"error: {' and '.join(failed)} failed; results in {folder}.", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
