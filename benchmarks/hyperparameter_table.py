"""Write README.md's table of all hyperparameters from the code.

python benchmarks/hyperparameter_table.py
"""

import re
from collections import Counter
from pathlib import Path

from jaxrnn import GROUPS
from jaxrnn.configuration.hyperparameter import Hyperparameter, describe
from jaxrnn.configuration.optimizers import OPTIMIZERS, arguments

README = Path(__file__).resolve().parent.parent / "README.md"
BETWEEN = re.compile(
    r"(<!-- hyperparameters: [^>]*-->\n).*?(<!-- end of hyperparameters -->)", re.DOTALL
)


def hyperparameter_table() -> str:
    """Build a row per hyperparameter: default, allowed values, condition, and meaning."""
    lines = [
        "| hyperparameter | default | allowed | condition | meaning |",
        "|---|---|---|---|---|",
    ]
    for group, hyperparameters in GROUPS.items():
        lines.append(f"| **{group}** | | | | |")
        for name, known in hyperparameters.items():
            acts = ", ".join(filter(None, [describe(known.when), known.requires]))
            cells = f"`{name}`", _default(name, known), _allowed(known), acts, known.meaning
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _default(name: str, hyperparameter: Hyperparameter) -> str:
    defaults = {o: arguments(o)[name] for o in OPTIMIZERS if name in arguments(o)}
    if defaults:
        common, _ = Counter(defaults.values()).most_common(1)[0]
        others = (f"`{o}` {value:g}" for o, value in defaults.items() if value != common)
        return ", ".join([f"{common:g}", *others])
    if hyperparameter.default_is:
        return hyperparameter.default_is
    if isinstance(hyperparameter.default, bool):
        return str(hyperparameter.default).lower()
    return (
        f"`{hyperparameter.default}`"
        if hyperparameter.kind is str
        else f"{hyperparameter.default:g}"
    )


def _allowed(hyperparameter: Hyperparameter) -> str:
    if hyperparameter.choices:
        return ", ".join(f"`{choice}`" for choice in hyperparameter.choices)
    if hyperparameter.kind is bool:
        return "true, false"
    ends = (
        f"{hyperparameter.low:g} to {hyperparameter.high:g}"
        if hyperparameter.high < float("inf")
        else (f"at least {hyperparameter.low:g}" + ("" if hyperparameter.finite else ", or inf"))
    )
    return f"whole, {ends}" if hyperparameter.kind is int else ends


def main() -> None:
    """Rewrite the table in README.md."""
    text = README.read_text(encoding="utf-8")
    README.write_text(
        BETWEEN.sub(rf"\g<1>\n{hyperparameter_table()}\n\g<2>", text), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
