"""From snapshots to a population on the devices."""

from collections.abc import Sequence

import numpy as np

from jaxrnn.network.architecture import Architecture
from jaxrnn.population.compiler import Compiler, Draft
from jaxrnn.population.population import Population
from jaxrnn.population.snapshot import Snapshot
from jaxrnn.training.epoch_metrics import EpochMetrics


def to_device(snapshots: Sequence[Snapshot], compiler: Compiler) -> Population:
    """The population of some members, in their order; what is new is compiled.

    Raises:
        ValueError: No snapshots, or their `max_epochs` differ.
    """
    totals = sorted({one.max_epochs for one in snapshots})
    if len(totals) != 1:
        raise ValueError(
            f"`snapshots` have `max_epochs` {totals}, but must be at least one, all of the same."
        )
    cohorts: dict[Architecture, list[int]] = {}
    for position, one in enumerate(snapshots):
        cohorts.setdefault(one.architecture, []).append(position)
    drafts = (_draft(*cohort, snapshots, compiler) for cohort in cohorts.items())
    epochs = np.array([one.epochs for one in snapshots])
    reports = np.full((epochs.max(), len(EpochMetrics._fields), len(snapshots)), np.nan, np.float32)
    for position, one in enumerate(snapshots):
        reports[: one.epochs, :, position] = one.metrics
    configurations = tuple(one.configuration for one in snapshots)
    settings = tuple(one.packed for one in snapshots)
    return Population(configurations, settings, compiler(drafts), totals[0], epochs, reports)


def _draft(
    architecture: Architecture,
    members: list[int],
    snapshots: Sequence[Snapshot],
    compiler: Compiler,
) -> Draft:
    """A cohort to be; members that are equally far share rows, so that whole rows rest."""
    members = sorted(members, key=lambda position: snapshots[position].epochs)
    own = [snapshots[position] for position in members]
    room = compiler.member(architecture).room(own[0].state.train_state)
    values = [(one.packed, one.state._replace(partial_epoch=room)) for one in own]
    return Draft(architecture, np.array(members), values)
