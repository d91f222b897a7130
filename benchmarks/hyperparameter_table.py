"""Write README.md's table of all hyperparameters from the code.

python benchmarks/hyperparameter_table.py
"""

from collections import Counter

from pages import ROOT, replace_between

from jaxrnn import GROUPS
from jaxrnn.configuration.hyperparameter import Hyperparameter, describe
from jaxrnn.configuration.optimizers import OPTIMIZERS, arguments

README = ROOT / "README.md"


def hyperparameter_table() -> str:
    """Every hyperparameter: default, allowed values, condition, and what it means."""
    lines = [
        "| hyperparameter | default | allowed | condition | meaning |",
        "|---|---|---|---|---|",
    ]
    for group, hyperparameters in GROUPS.items():
        lines.append(f"| **{group}** | | | | |")
        for name, hyperparameter in hyperparameters.items():
            lines.append(f"| {' | '.join(_cells(name, hyperparameter))} |")
    return "\n".join(lines) + "\n"


def _cells(name: str, hyperparameter: Hyperparameter) -> list[str]:
    condition = ", ".join(filter(None, [describe(hyperparameter.when), hyperparameter.requires]))
    default, allowed = _default(name, hyperparameter), _allowed(hyperparameter)
    cells = [f"`{name}`", default, allowed, condition, hyperparameter.meaning]
    return [cell.replace("|", "/") for cell in cells]


def _default(name: str, hyperparameter: Hyperparameter) -> str:
    by_optimizer = {o: arguments(o)[name] for o in OPTIMIZERS if name in arguments(o)}
    if by_optimizer:
        common, _ = Counter(by_optimizer.values()).most_common(1)[0]
        others = (f"`{o}` {value:g}" for o, value in by_optimizer.items() if value != common)
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
    page = README.read_text(encoding="utf-8")
    text = replace_between(page, "hyperparameters", hyperparameter_table())
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
