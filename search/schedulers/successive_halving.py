"""Successive halving in one bracket or in several side by side; Hyperband is several."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from search.rungs import Bracket, Rung, check_whole, hyperband_brackets, rungs, trial_epochs
from search.schedulers.scheduler import Decision, NewTrial, best_first
from search.trial import TrialView


@dataclass(frozen=True)
class SuccessiveHalving:
    """Successive halving in each bracket by itself (Jamieson and Talwalkar 2016).

    A rung is decided once all its trials have been scored at exactly its epochs; as many as the
    next one holds go on, the others stop. A trial that diverged ranks last, but fills the rung
    where there are too few others, so that rungs have the sizes of the plan whatever happens.
    Brackets are filled one after the other, in free slots, and do not wait for each other.

    Attributes:
        brackets: Rungs of every bracket, all with the same epochs in the last one.
    """

    brackets: tuple[Bracket, ...]

    @property
    def trials(self) -> int:
        """Number of trials that begin in all."""
        return sum(plan[0].trials for plan in self.brackets)

    @property
    def max_epochs(self) -> int:
        """Epochs of the trials that are never pruned."""
        return self.brackets[0][-1].epochs

    @property
    def synchronous(self) -> bool:
        """Whether there is one bracket, whose rungs are filled and left together."""
        return len(self.brackets) == 1

    @property
    def total(self) -> int:
        """Trial-epochs of the whole search."""
        return sum(map(trial_epochs, self.brackets))

    def decide(self, trials: Sequence[TrialView], free_slots: int) -> Decision:
        """Rank rungs that are full, and fill brackets that are not; see `Scheduler`."""
        members: dict[int, list[TrialView]] = defaultdict(list)
        for trial in trials:
            members[trial.bracket].append(trial)
        new: list[NewTrial] = []
        promote: dict[int, int] = {}
        prune: list[int] = []
        for bracket, plan in enumerate(self.brackets):
            missing = plan[0].trials - len(members[bracket])
            if missing:
                new += [NewTrial(bracket, plan[0].epochs)] * min(missing, free_slots - len(new))
            else:
                _decide_rungs(plan, members[bracket], promote, prune)
        return Decision(tuple(new), promote, tuple(sorted(prune)))


def _decide_rungs(
    plan: Bracket, members: list[TrialView], promote: dict[int, int], prune: list[int]
) -> None:
    """Add the decisions on every rung that is full, from the first on."""
    for rung, following in itertools.pairwise(plan):
        if not all(rung.epochs in trial.scores for trial in members):
            return
        order = best_first(members, rung.epochs)
        members, losers = order[: following.trials], order[following.trials :]
        promote |= {trial.id: following.epochs for trial in members if _waits_at(trial, rung)}
        prune += [trial.id for trial in losers if _waits_at(trial, rung)]


def _waits_at(trial: TrialView, rung: Rung) -> bool:
    """Return whether it has neither gone on nor stopped already."""
    return trial.waiting and trial.epochs == rung.epochs


def halving(totals: Sequence[int], min_epochs: int, max_epochs: int, eta: int) -> SuccessiveHalving:
    """Return successive halving of `totals[0]` trials.

    Args:
        totals: Number of trials, then each larger number to which the search was extended: what it
            adds is another bracket, since the rungs of the first one are decided.
        min_epochs: Epochs before the first comparison, at least 1.
        max_epochs: Epochs of the trials that are never pruned, at least `min_epochs`.
        eta: Reduction factor, at least 2: one trial in `eta` goes on.

    Raises:
        ValueError: An argument outside its range.
    """
    sizes = [after - before for before, after in itertools.pairwise((0, *totals))]
    return SuccessiveHalving(tuple(rungs(size, min_epochs, max_epochs, eta) for size in sizes))


def hyperband(trials: int | None, min_epochs: int, max_epochs: int, eta: int) -> SuccessiveHalving:
    """Return Hyperband (Li et al. 2018): brackets from the most pruning one to one without pruning.

    Args:
        trials: Most trials in all: whole brackets in order, again from the first one after the
            last, until the next does not fit. None: every bracket once.
        min_epochs: Least epochs before a comparison (r_min), at least 1.
        max_epochs: Epochs of the trials that are never pruned (R), at least `min_epochs`.
        eta: Reduction factor, at least 2: one trial in `eta` goes on.

    Raises:
        ValueError: An argument outside its range, or `trials` too few for the first bracket.
    """
    plans = hyperband_brackets(min_epochs, max_epochs, eta)
    if trials is None:
        return SuccessiveHalving(plans)
    check_whole("trials", trials)
    chosen: list[Bracket] = []
    for plan in itertools.cycle(plans):
        trials -= plan[0].trials
        if trials < 0:
            break
        chosen.append(plan)
    if not chosen:
        raise ValueError(
            f"`trials` is {trials + plans[0][0].trials}, but the first bracket of Hyperband from "
            f"{min_epochs} to {max_epochs} epochs with `eta` {eta} needs {plans[0][0].trials}; "
            f"one pass over all its brackets needs {SuccessiveHalving(plans).trials}."
        )
    return SuccessiveHalving(tuple(chosen))
