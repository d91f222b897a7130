"""Write README.md's table of all entries from the code.

python benchmarks/hyperparameter_table.py
"""

import re
from collections import Counter
from pathlib import Path

from jaxrnn import GROUPS
from jaxrnn.configuration.hyperparameter import Hyperparameter, describe
from jaxrnn.configuration.optimizers import OPTIMIZERS, arguments

README = Path(__file__).resolve().parent.parent / "README.md"
BETWEEN = re.compile(r"(<!-- entries: [^>]*-->\n).*?(<!-- end of entries -->)", re.DOTALL)


def hyperparameter_table() -> str:
    """Every entry: default, what is allowed, where it acts, and what it means."""
    lines = ["| entry | default | allowed | acts where | meaning |", "|---|---|---|---|---|"]
    for group, entries in GROUPS.items():
        lines.append(f"| **{group}** | | | | |")
        for name, entry in entries.items():
            where = ", ".join(filter(None, [describe(entry.when), entry.requires]))
            cells = f"`{name}`", _default(name, entry), _allowed(entry), where, entry.meaning
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _default(name: str, entry: Hyperparameter) -> str:
    own = {o: arguments(o)[name] for o in OPTIMIZERS if name in arguments(o)}
    if own:
        common, _ = Counter(own.values()).most_common(1)[0]
        others = (f"`{o}` {value:g}" for o, value in own.items() if value != common)
        return ", ".join([f"{common:g}", *others])
    if entry.default_is:
        return entry.default_is
    if isinstance(entry.default, bool):
        return str(entry.default).lower()
    return f"`{entry.default}`" if entry.kind is str else f"{entry.default:g}"


def _allowed(entry: Hyperparameter) -> str:
    if entry.choices:
        return ", ".join(f"`{choice}`" for choice in entry.choices)
    if entry.kind is bool:
        return "true, false"
    ends = (
        f"{entry.low:g} to {entry.high:g}"
        if entry.high < float("inf")
        else (f"at least {entry.low:g}" + ("" if entry.finite else ", or inf"))
    )
    return f"whole, {ends}" if entry.kind is int else ends


def main() -> None:
    """Rewrite the table in README.md."""
    text = README.read_text(encoding="utf-8")
    README.write_text(
        BETWEEN.sub(rf"\g<1>\n{hyperparameter_table()}\n\g<2>", text), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
