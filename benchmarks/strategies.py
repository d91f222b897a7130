"""Every sampler with every scheduler, for the same number of trial-epochs, and what it finds.

    python benchmarks/strategies.py FOLDER digits japanese_vowels
    python benchmarks/strategies.py --table

FOLDER holds a folder for each data set, as for `real_data.py`. Every run stops once it has spent
the trial-epochs of one pass of Hyperband; the best validation loss so far is noted whenever trials
are scored. Runs go into `benchmarks/results/strategies-<name>-<device>.json` as they end, and those
that are there already are not repeated; `--table` writes tables and plots of docs/search.md.
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
from pages import RESULTS, ROOT, replace_between, write_json

import jaxrnn
import search
from jaxrnn.population.devices import population_mesh

PAGE = ROOT / "docs" / "search.md"
MIN_EPOCHS, MAX_EPOCHS, ETA, SEEDS, MAX_CONCURRENT = 1, 27, 3, range(5), 16
BUDGET = search.make_scheduler("hyperband", None, MIN_EPOCHS, MAX_EPOCHS, ETA).total or 0
MOST = 400
"""More trials than any scheduler can begin for the budget."""
PACKAGES = ("jaxrnn", "jax", "jaxlib", "flax", "optax", "numpy", "optuna", "scikit-learn")


FILES = {
    "digits": None,
    "japanese_vowels": "JapaneseVowels_TRAIN.ts",
    "jsb_chorales": "jsb_chorales.npz",
}
"""Files in the folder of each data set; None where no file is needed."""


class Spent(Exception):
    """The budget is used up."""


def trials_of(scheduler: str) -> int | None:
    """The number of trials that the budget pays for; more than enough if scores decide on it."""
    if scheduler in ("none", "pbt"):
        return BUDGET // MAX_EPOCHS
    if scheduler == "halving":
        costs = (
            (n, search.trial_epochs(search.rungs(n, 1, MAX_EPOCHS, ETA))) for n in range(1, MOST)
        )
        return max(n for n, cost in costs if cost <= BUDGET)
    return None if scheduler == "hyperband" else MOST


def measure(
    trainer: jaxrnn.Trainer, space: search.Space, names: tuple[str, str], seed: int
) -> dict:
    """The best validation loss so far, by trial-epochs spent."""
    name, scheduler = names
    sampler = search.make_sampler(name, space, seed, batch=MAX_CONCURRENT, points=4)
    trials = trials_of(scheduler)
    if sampler.size is not None:
        trials = trials and min(trials, sampler.size)
    rules = search.make_scheduler(scheduler, trials, MIN_EPOCHS, MAX_EPOCHS, ETA, seed)
    together = scheduler in ("pbt",) or not (sampler.learns or scheduler in ("asha", "median"))
    max_concurrent = rules.trials if together else MAX_CONCURRENT
    plan = search.Plan(space, sampler, rules, seed=seed, max_concurrent=max_concurrent)
    running, curve = search.Search(plan, search.Replicates([trainer])), []

    def after(scored: bool) -> None:
        spent = sum(trial.epochs for trial in running.trials)
        if scored:
            losses = (row["loss"] for trial in running.trials for row in trial.metrics.values())
            curve.append([spent, min((loss for loss in losses if loss == loss), default=None)])
        if spent >= BUDGET:
            raise Spent

    begin = time.perf_counter()
    with suppress(Spent):
        running.run(on_epoch=after)
    return {
        "search": name,
        "scheduler": scheduler,
        "seed": seed,
        "trials": len(running.trials),
        "spent": curve[-1][0],
        "seconds": time.perf_counter() - begin,
        "seconds_proposing": running.clock.decide,
        "curve": curve,
    }


def run(name: str, folder: Path, samplers: list[str], schedulers: list[str]) -> None:
    """All runs on a data set that are not there yet."""
    devices = population_mesh().devices  # one per core, where JAX would show one CPU
    path = RESULTS / f"strategies-{name}-{devices.size}-x-{devices.flat[0].platform}.json"
    done = json.loads(path.read_text()) if path.exists() else {"runs": []}
    known = {(run["search"], run["scheduler"], run["seed"]) for run in done["runs"]}
    for seed in SEEDS:
        todo = [p for p in itertools.product(samplers, schedulers) if (*p, seed) not in known]
        if not todo:
            continue
        source = folder / name / FILES[name] if FILES[name] else name
        trainer = jaxrnn.Trainer(jaxrnn.load_data(source, seed=seed), seed=seed)
        space = search.Space(trainer.space("default", MAX_EPOCHS))
        proposals = search.make_sampler("random", space, 0).ask(128, [])
        likely = [proposal.configuration for proposal in proposals]
        trainer.plan_for(likely, MAX_EPOCHS, max_concurrent=MAX_CONCURRENT)
        for pair in todo:
            result = measure(trainer, space, pair, seed)
            print(name, *pair, seed, result["curve"][-1], f"{result['seconds']:.1f} s", flush=True)
            done["runs"].append(result)
            done |= about(name, trainer)
            write_json(path, done, indent=None)


def about(name: str, trainer: jaxrnn.Trainer) -> dict[str, Any]:
    """The origin of the figures."""
    return {
        "name": name,
        "command": f"python benchmarks/strategies.py FOLDER {name}",
        "budget": BUDGET,
        "max_epochs": MAX_EPOCHS,
        "devices": jaxrnn.describe(trainer.mesh),
        "versions": {package: version(package) for package in PACKAGES},
    }


def write_page() -> None:
    """Rewrite the tables and plots of docs/search.md from the result files."""
    parts = []
    for path in sorted(RESULTS.glob("strategies-*.json")):
        results = json.loads(path.read_text())
        parts += [table(results), plot(results)]
    text = "\n\n".join(parts)
    page = replace_between(PAGE.read_text(encoding="utf-8"), "strategies", text)
    PAGE.write_text(page, encoding="utf-8")


def table(results: dict[str, Any]) -> str:
    """A row per sampler, a column per scheduler: mean and deviation of the best validation loss."""
    schedulers = [name for name in search.SCHEDULERS if cells(results, scheduler=name)]
    lines = [
        f"**{results['name']}**, {results['budget']} trial-epochs of at most "
        f"{results['max_epochs']} each, {results['devices']}; `{results['command']}`",
        "",
        f"| | {' | '.join(schedulers)} |",
        f"|---|{'---|' * len(schedulers)}",
    ]
    for name in search.SAMPLERS:
        row = [cells(results, search=name, scheduler=scheduler) for scheduler in schedulers]
        if any(row):
            lines.append(f"| {name} | {' | '.join(map(summary, row))} |")
    return "\n".join(lines)


def cells(results: dict[str, Any], **which: str) -> list[dict[str, Any]]:
    """The runs with this sampler, or this scheduler."""
    return [run for run in results["runs"] if which.items() <= run.items()]


def summary(runs: list[dict[str, Any]]) -> str:
    """Mean and deviation over seeds, and how many these are if not all."""
    losses = [run["curve"][-1][1] for run in runs]
    if not losses:
        return "-"
    deviation = f" ± {statistics.stdev(losses):.4f}" if len(losses) > 1 else ""
    some = f" (seeds: {len(losses)})" if len(losses) != len(SEEDS) else ""
    return f"{statistics.mean(losses):.4f}{deviation}{some}"


def plot(results: dict[str, Any]) -> str:
    """Best loss so far by trial-epochs: schedulers with random search, samplers with halving."""
    import matplotlib.pyplot as plt  # nothing else here needs it

    plt.rcParams["svg.hashsalt"] = results["name"]  # the same file for the same figures
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    panels = (
        ("random search", "scheduler", {"search": "random"}, search.SCHEDULERS),
        ("successive halving", "search", {"scheduler": "halving"}, search.SAMPLERS),
    )
    for axis, (title, kind, which, names) in zip(axes, panels, strict=True):
        for name in names:
            runs = cells(results, **which, **{kind: name})
            if runs:
                axis.plot(*median_curve([run["curve"] for run in runs]), marker=".", label=name)
        axis.set(title=title, xlabel="trial-epochs", yscale="log")
        axis.legend()
    axes[0].set_ylabel("best validation loss so far (median of seeds)")
    path = PAGE.with_name(f"strategies-{results['name']}.svg")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return f"![{results['name']}]({path.name})"


def median_curve(curves: list[list[list[float]]]) -> tuple[list[float], list[float]]:
    """At every number of trial-epochs that some run was scored at, where all have a score."""
    first = max(curve[0][0] for curve in curves)
    spent = sorted({point[0] for curve in curves for point in curve if point[0] >= first})
    best = [[[y for x, y in curve if x <= at][-1] for curve in curves] for at in spent]
    return spent, [statistics.median(values) for values in best]


def main() -> None:
    """Run what was named, or write the page."""
    parser = argparse.ArgumentParser(description="Every sampler with every scheduler.")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("names", nargs="*", choices=[[], *FILES])
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--samplers", nargs="+", default=list(search.SAMPLERS))
    parser.add_argument("--schedulers", nargs="+", default=list(search.SCHEDULERS))
    settings = parser.parse_args()
    if settings.table:
        write_page()
        return
    # Seeds share shapes, so that the programs of one are those of the next.
    with tempfile.TemporaryDirectory() as cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        for name in settings.names:
            run(name, settings.folder, settings.samplers, settings.schedulers)


if __name__ == "__main__":
    main()
