"""The loop of a search with a trainer whose scores are known: who trains, and what is recorded.

Mistakes are those of well-known tuners; a number names the one of the list that their users made.
"""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.curve_trainer import Curves, Listed, Runner, race

import search
from search import TrialStatus, leaderboard
from search.audit import audit
from search.schedulers.asha import Asha
from search.schedulers.no_pruning import NoPruning
from search.schedulers.pbt import Pbt
from search.schedulers.successive_halving import halving
from search.scores import ScoreTable, scores
from search.trial import Proposal, rank, seed_of


def done(scores: dict[str, Any], *plan: int, **more: Any) -> search.Search:
    """A finished race by successive halving: trials, r, R, eta."""
    running = race(scores, halving(plan[:1], *plan[1:]), **more)
    running.run()
    return running


def trainer_of(running: search.Search) -> Curves:
    trainer: Any = running.replicates.trainers[0]
    return trainer


def snapshots_of(running: search.Search) -> dict[int, list[Runner]]:
    return dict(running.replicates.snapshots())


def groups(running: search.Search) -> list[tuple[int, int]]:
    """How many trained together, and to which epoch."""
    return [(len(goals), max(goals)) for goals in trainer_of(running).trained]


def best_of(running: search.Search) -> search.Trial:
    assert running.best is not None
    return running.best


def winner(running: search.Search) -> Any:
    return best_of(running).configuration["name"]


def by_name(running: search.Search) -> dict[str, search.Trial]:
    return {trial.configuration["name"]: trial for trial in running.trials}


def test_members_leave_the_devices_once_a_rung() -> None:
    """Those that go on or are the best, whether a checkpoint or the next rung asks for them."""
    running = race({f"n{k}": float(k) for k in range(9)}, halving((9,), 1, 9, 3))
    snapshots: list[int] = []

    def after(scored: bool) -> None:
        if scored:
            snapshots.append(len(running.replicates.snapshots()))

    running.run(on_epoch=after)
    assert snapshots == [3, 1, 1] and trainer_of(running).moves_to_host == 3
    assert {id: len(members) for id, members in snapshots_of(running).items()} == {0: 1}


def test_kept_scores_are_those_of_a_fresh_table() -> None:
    """After each epoch, also where trials diverge and take over from others."""
    running = race({"a": math.nan, "b": 2.0, "c": 3.0, "d": 1.0}, Pbt(4, 1, 6))
    tables: list[list[Any]] = []
    running.run(
        on_epoch=lambda scored: tables.append(
            [running._scores.views(running.trials), ScoreTable("loss", "min").views(running.trials)]
        )
    )
    assert len(tables) == 6 and all(cached == fresh for cached, fresh in tables)
    assert any(trial.changes for trial in running.trials)


def test_the_right_ones_go_on() -> None:
    """Nine trials, two that cross: each rung ranks the scores at exactly its epochs (4, 7)."""
    scores: dict[str, Any] = {f"c{k}": 10.0 + k for k in range(7)}
    scores["late"] = lambda epochs: 9.0 if epochs < 3 else 1.0
    scores["early"] = lambda epochs: 5.0 if epochs == 1 else 50.0
    reports: list[search.Progress] = []
    running = race(scores, halving((9,), 1, 9, 3))
    running.run(on_progress=reports.append)
    assert groups(running) == [(9, 1), (3, 2), (3, 3), *((1, e) for e in range(4, 10))]
    assert winner(running) == "late"
    assert snapshots_of(running).keys() == {best_of(running).id}
    trials = by_name(running)
    assert trials["late"].state is TrialStatus.COMPLETE
    rows = {epochs: row["loss"] for epochs, row in trials["late"].metrics.items()}
    assert rows == {1: 9.0, 3: 1.0, 9: 1.0}
    assert trials["early"].state is TrialStatus.PRUNED
    assert trials["early"].epochs == 3
    assert trials["early"].metrics[3]["loss"] == 50.0
    assert [t.epochs for t in running.trials if t.state is TrialStatus.PRUNED].count(1) == 6
    assert [report.trained for report in reports if report.scored] == [9, 15, 21]
    assert [report.trained for report in reports[:3]] == [4.5, 9, 9]
    assert reports[-1].trained == reports[-1].total == 21
    assert (reports[0].begun, reports[0].training, reports[0].epochs, reports[0].best) == (
        9,
        9,
        0,
        None,
    )


def test_every_epoch_is_recorded() -> None:
    """Each trial keeps its own numbers, of its own epochs, whoever was pruned around it."""
    scores = {f"c{k}": lambda epochs, k=k: 10.0 * k + epochs for k in (2, 0, 3, 1)}
    running = done(scores, 4, 1, 5, 2)
    assert [trial.epochs for trial in running.trials] == [1, 5, 1, 2]
    for trial in running.trials:
        curve = scores[trial.configuration["name"]]
        expected = [curve(epochs) / 2 for epochs in range(1, trial.epochs + 1)]
        assert trial.history == {"training_loss": expected}
    assert all(member.max_epochs == 5 for member in snapshots_of(running)[1])
    assert [trial.seed for trial in running.trials] == [seed_of(0, id) for id in range(4)]


def test_an_interrupted_search_keeps_whole_epochs_and_goes_on() -> None:
    running = race({"a": 1.0, "b": 2.0}, halving((2,), 5, 5, 2))

    def stop(progress: search.Progress) -> None:
        if progress.trained > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        running.run(on_progress=stop)
    assert [trial.epochs for trial in running.trials] == [2, 2]
    assert [len(trial.history["training_loss"]) for trial in running.trials] == [2, 2]


def test_max_mode_is_the_mirror() -> None:
    scores = {"a": 3.0, "b": 1.0, "c": 2.0}
    assert winner(done(scores, 3, 1, 3, 3)) == "b"
    assert winner(done(scores, 3, 1, 3, 3, metric="score", mode="max")) == "b"
    assert winner(done(scores, 3, 1, 3, 3, metric="score", mode="min")) == "a"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_diverged_rank_last_and_rungs_keep_their_size(bad: float) -> None:
    """Mistakes 5 and 12."""
    running = done({"d0": bad, "d1": bad, "a": 5.0, "b": 9.0, "d2": bad, "c": 7.0}, 6, 1, 4, 2)
    assert groups(running) == [(6, 1), (3, 2), (1, 3), (1, 4)]
    assert winner(running) == "a"
    diverged = [t.state for t in running.trials if t.configuration["name"][0] == "d"]
    assert diverged == [TrialStatus.DIVERGED] * 3
    running = done({"d0": bad, "a": 5.0, "d1": bad, "d2": bad}, 4, 1, 2, 2)
    assert winner(running) == "a"
    assert groups(running) == [(4, 1), (2, 2)]  # the rung is filled up, by the lowest id
    assert [trial.epochs for trial in running.trials] == [2, 2, 1, 1]
    assert [trial.state for trial in running.trials].count(TrialStatus.DIVERGED) == 3


def test_all_diverged_and_late_divergence() -> None:
    running = done({"a": math.nan, "b": math.nan}, 2, 1, 2, 2)
    assert running.best is None
    assert [trial.state for trial in running.trials] == [TrialStatus.DIVERGED] * 2
    late = {"a": lambda e: 1.0 if e == 1 else math.nan, "b": 2.0, "c": 3.0}
    running = done(late, 3, 1, 2, 2)
    assert running.best is None
    states = [trial.state for trial in running.trials]
    assert states == [TrialStatus.DIVERGED, TrialStatus.PRUNED, TrialStatus.PRUNED]


def test_once_diverged_is_diverged() -> None:
    """A trial that comes back with a fine score neither wins nor hides the winner."""
    back = {"b": 2.0, "c": 3.0, "a": lambda epochs: math.nan if epochs == 1 else 0.1}
    assert winner(done(back, 3, 1, 3, 3)) == "b"
    assert done({"a": back["a"]}, 1, 1, 3, 3).best is None


def test_ties_go_to_the_lower_id() -> None:
    running = done(dict.fromkeys("abcdefghi", 1.0), 9, 1, 9, 3)
    assert winner(running) == "a"
    assert [trial.id for trial in running.trials if trial.epochs > 1] == [0, 1, 2]


some_scores = st.one_of(st.sampled_from([0.0, 1.0, math.nan, math.inf]), st.floats(-9, 9))


@given(st.lists(some_scores, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_rank_does_not_depend_on_arrival(values: list[float], random: Any) -> None:
    order = rank(values, range(len(values)), "min")
    arrival = list(range(len(values)))
    random.shuffle(arrival)
    shuffled = rank([values[k] for k in arrival], arrival, "min")
    assert [arrival[position] for position in shuffled] == order
    assert rank([-value for value in values], range(len(values)), "max") == order
    ranked = [values[position] for position in order]
    finite = [value for value in ranked if math.isfinite(value)]
    assert finite == sorted(finite)
    assert ranked[: len(finite)] == finite


def test_the_order_of_configurations_decides_nothing_but_ties() -> None:
    """Mistake 8: the first trials have no advantage."""
    scores = {f"n{k}": float(value) for k, value in enumerate([4, 9, 2, 7, 5, 1, 8, 3, 6])}
    epochs = []
    for order in (scores, dict(reversed(scores.items()))):
        running = done(order, 9, 1, 9, 3)
        epochs.append({trial.configuration["name"]: trial.epochs for trial in running.trials})
    assert epochs[0] == epochs[1]


def test_leaderboard_never_compares_rungs() -> None:
    """Mistake 11: a better early score stays below everyone who went further."""
    early = {"a": lambda e: 2.0 if e == 1 else 8.0, "b": 3.0, "c": 4.0, "d": math.nan}
    trials = done(early, 4, 1, 2, 2).trials
    names = [trial.configuration["name"] for trial in leaderboard(trials, "loss", "min")]
    assert names == ["b", "a", "c", "d"]
    assert leaderboard(trials, "score", "max") == leaderboard(trials, "loss", "min")


def test_room() -> None:
    """With room for three, no more than three begin together; halving still compares them all."""
    scores = {f"n{k}": float(k) for k in range(9)}
    running = race(scores, halving((9,), 2, 6, 3), max_concurrent=3)
    running.run()
    goals = [sorted(goals) for goals in trainer_of(running).trained]
    assert goals == [[1] * 3, [2] * 3] * 3 + [[e] * 3 for e in range(3, 7)]
    assert winner(running) == "n0"


def test_asha_promotes_and_goes_on() -> None:
    """Promoted trials keep their state, lanes are never idle while trials are left (6)."""
    scores = {f"n{k}": lambda e, k=k: abs(k - 5.5) + 1 / e for k in range(12)}
    running = race(scores, Asha(12, 1, 9, 3), max_concurrent=3)
    reports: list[search.Progress] = []
    running.run(on_progress=reports.append)
    while_left = [report.training for report in reports if report.begun < 12 and not report.scored]
    assert set(while_left) == {3}
    for trial in running.trials:
        assert set(trial.metrics) <= {1, 3, 9} and max(trial.metrics) == trial.epochs
        assert trial.ended and trial.state in (TrialStatus.COMPLETE, TrialStatus.PRUNED)
        assert len(trial.history["training_loss"]) == trial.epochs
    assert best_of(running).epochs == 9


def test_pbt_copies_weights_and_configurations() -> None:
    """The worst goes on from weights and configuration of the best, but for the rate (9)."""
    configurations = [{"width": k, "rate": 0.1 * (k + 1)} for k in range(8)]
    space = search.Space(width=dict(low=0, high=7), rate=dict(low=0.05, high=0.9))
    curve = lambda c, epochs, seed: c["width"] + 1.0 / epochs  # noqa: E731
    trainer = Curves(curve, changeable=["rate"])
    plan = search.Plan(space, Listed(configurations), Pbt(8, 2, 6, quantile=0.25))
    running = search.Search(plan, search.Replicates([trainer]))
    running.run()
    assert best_of(running).configuration["width"] == 0
    for loser in running.trials[6:]:
        epochs, other, configuration = loser.changes[0]
        assert epochs == 2 and other in (0, 1)
        assert configuration["width"] == other == loser.configuration["width"]
        assert 0.05 <= configuration["rate"] <= 0.9
        assert configuration["rate"] != configurations[other]["rate"]
        assert loser.proposal.configuration == configurations[loser.id]
        assert loser.state is TrialStatus.COMPLETE and set(loser.metrics) == {2, 4, 6}
    for trial in running.trials[:2]:
        assert not trial.changes
    assert all(len(goals) == 8 for goals in trainer.trained)


def test_diverged_members_are_revived_by_copies() -> None:
    configurations = [{"width": k, "rate": 0.1} for k in range(4)]
    space = search.Space(width=dict(low=0, high=3), rate=dict(low=0.05, high=0.9))
    curve = lambda c, epochs, seed: math.nan if c["width"] == 3 else c["width"] + 1.0  # noqa: E731
    plan = search.Plan(space, Listed(configurations), Pbt(4, 1, 3))
    running = search.Search(plan, search.Replicates([Curves(curve, ["rate"])]))
    running.run()
    last = running.trials[3]
    assert last.state is TrialStatus.COMPLETE
    assert math.isnan(last.metrics[1]["loss"]) and last.metrics[2]["loss"] == 1.0


def test_copies_keep_their_seed_and_change_in_other_ways_every_time() -> None:
    """A trial whose seed is bad stays the worst, whomever it takes over from."""
    configurations = [{"width": k, "rate": 0.3} for k in range(4)]
    space = search.Space(width=dict(low=0, high=3), rate=dict(low=0.05, high=0.9))
    curve = lambda c, epochs, seed: float(seed == seed_of(0, 0))  # noqa: E731
    plan = search.Plan(space, Listed(configurations), Pbt(4, 1, 8))
    running = search.Search(plan, search.Replicates([Curves(curve, ["rate"])]))
    running.run()
    changes = running.trials[0].changes
    assert [epochs for epochs, _, _ in changes] == [1, 2, 3, 4, 5, 6, 7]
    assert len({configuration["rate"] for _, _, configuration in changes}) > 1


@pytest.mark.parametrize(("changes", "later"), [([], math.inf), ([(1, 0, {})], 0.5)])
def test_only_who_took_over_from_another_counts_again(changes: list[Any], later: float) -> None:
    """Whoever has diverged is the worst from then on, whatever comes out later."""
    losses = {1: math.nan, 2: 0.5, 4: 0.5}
    metrics = {epochs: {"loss": loss} for epochs, loss in losses.items()}
    trial = search.Trial(1, 0, {}, Proposal({}), metrics=metrics, changes=changes)
    assert scores(trial, "loss", "min") == {1: math.inf, 2: later, 4: later}


def noisy(configuration: dict[str, Any], epochs: int, seed: int) -> float:
    """A score with a part of the seed's own."""
    return configuration["name"] * 1.0 + np.random.default_rng(seed).normal()


def test_repeats_share_their_seeds_and_rank_by_the_mean() -> None:
    trainer = Curves(noisy)
    plan = search.Plan(
        search.Space(name=[0, 1, 2]),
        Listed([{"name": k} for k in range(3)]),
        halving((3,), 1, 3, 3),
    )
    team = search.Replicates([trainer], repeats=4, seed=3)
    running = search.Search(plan, team)
    running.run()
    seeds = team.seeds(running.trials[0])
    assert len(set(seeds)) == 4 and seeds == team.seeds(running.trials[2])
    assert not set(seeds) & {trial.seed for trial in running.trials}
    losses = np.array([noisy({"name": 1}, 1, seed) for seed in seeds])
    trial = running.trials[1]
    assert trial.metrics[1]["loss"] == pytest.approx(losses.mean())
    assert trial.errors[1]["loss"] == pytest.approx(losses.std(ddof=1) / 2)
    assert trial.metrics[1]["score"] == pytest.approx(-losses.mean())
    assert [len(goals) for goals in trainer.trained] == [12, 4, 4]
    assert winner(running) == 0 and len(snapshots_of(running)[0]) == 4
    assert trial.history["training_loss"] == pytest.approx([losses.mean() / 2])


def test_one_diverged_seed_is_a_diverged_trial() -> None:
    def curve(configuration: dict[str, Any], epochs: int, seed: int) -> float:
        spoiled = configuration["name"] == "a" and seed == bad
        return math.nan if spoiled else {"a": 1.0, "b": 2.0}[configuration["name"]]

    team = search.Replicates([Curves(curve)], repeats=3)
    names = [{"name": name} for name in "ab"]
    plan = search.Plan(search.Space(name=["a", "b"]), Listed(names), NoPruning(2, 2))
    running = search.Search(plan, team)
    bad = team.seeds(search.Trial(0, 0, {}, Listed(names).ask(1, [])[0]))[1]
    running.run()
    assert winner(running) == "b"
    assert running.trials[0].state is TrialStatus.DIVERGED


def test_folds_are_members() -> None:
    """A trainer per fold: each trial has a member in each, and its score is their mean."""
    folds = [Curves(lambda c, e, s, k=k: c["name"] * 2.0 + k) for k in range(3)]
    plan = search.Plan(
        search.Space(name=[0, 1]), Listed([{"name": 0}, {"name": 1}]), halving((2,), 1, 2, 2)
    )
    reports: list[search.Progress] = []
    running = search.Search(plan, search.Replicates(folds, repeats=2))
    running.run(on_progress=reports.append)
    assert [trial.metrics[1]["loss"] for trial in running.trials] == [1.0, 3.0]
    assert running.trials[0].errors[1]["loss"] == pytest.approx(
        np.std([0, 0, 1, 1, 2, 2], ddof=1) / 6**0.5
    )
    assert all([len(goals) for goals in fold.trained] == [4, 2] for fold in folds)
    assert len(snapshots_of(running)[0]) == 6
    assert [report.trained for report in reports[:6]] == pytest.approx(
        [1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2]
    )


def test_nothing_is_placed_again_without_need() -> None:
    running = race({"a": 1.0, "b": 2.0}, NoPruning(2, 9))
    running.run()
    assert trainer_of(running).moves_to_device == 1


@pytest.mark.parametrize("stop_at", range(1, 12))
def test_a_search_taken_up_anywhere_ends_the_same(stop_at: int) -> None:
    """Trials and members are all that it knows: the rest follows from them."""
    scores = {f"n{k}": lambda e, k=k: abs(k - 5.5) + (k % 3) / e for k in range(12)}

    def fresh() -> search.Search:
        return race(scores, Asha(12, 1, 9, 3), max_concurrent=3)

    whole, first = fresh(), fresh()
    whole.run()
    steps = 0

    def after(scored: bool) -> None:
        nonlocal steps
        steps += 1
        if steps == stop_at:
            first.replicates.snapshots()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(on_epoch=after)
    again = search.Search(first.plan, first.replicates.copy(), first.trials)
    again.run()
    assert again.trials == whole.trials
    assert snapshots_of(again) == snapshots_of(whole)


def test_bad_arguments() -> None:
    running = race({"a": 1.0}, NoPruning(1, 1), metric="f1")
    with pytest.raises(ValueError, match="`metric` is 'f1', but must be one of 'loss', 'score'"):
        running.run()
    bad: list[tuple[dict[str, Any], str]] = [
        ({"mode": "best"}, "`mode` is 'best', but must be 'min' or 'max'."),
        ({"max_concurrent": 0}, "`max_concurrent` is 0, but must be at least 1."),
    ]
    for more, message in bad:
        with pytest.raises(ValueError) as error:
            race({"a": 1.0}, NoPruning(1, 1), **more)
        assert str(error.value) == message


def test_what_is_kept_decides_nothing() -> None:
    """The one that was promoted diverges: no winner, whether pruned members are there or not."""
    late = {"a": lambda e: 1.0 if e == 1 else math.nan, "b": 2.0, "c": 3.0}
    for keep in (False, True):
        running = race(late, halving((3,), 1, 3, 3), keep_released=keep)
        assert running.run() is None
        assert (1 in snapshots_of(running)) == keep


def test_no_repeats() -> None:
    with pytest.raises(ValueError, match="`repeats` is 0, but must be a whole number of at least"):
        search.Replicates([], repeats=0)


def test_audit() -> None:
    """Nine trials: the best one at the end looks bad at first; what it would have cost to wait."""
    scores: dict[str, Any] = {f"n{k}": lambda e, k=k: 1.0 + k + 1 / e for k in range(8)}
    scores["late"] = lambda e: 100.0 if e < 9 else 0.5
    running = race(scores, halving((9,), 1, 9, 3), keep_released=True)
    running.run()
    before = [(trial.epochs, trial.state) for trial in running.trials]
    members = snapshots_of(running)
    result = audit(running)
    assert snapshots_of(running) == members and len(members) == 9
    assert [(trial.epochs, trial.state) for trial in running.trials] == before
    assert result.best_trial == 8 and result.best == 0.5
    assert result.winner == pytest.approx(1 + 1 / 9)
    assert result.regret == pytest.approx(0.5 + 1 / 9)
    assert result.saved == pytest.approx(1 - 21 / 81)
    assert [(rung.epochs, rung.trials) for rung in result.rungs] == [(1, 9), (3, 9)]
    # Eight in order and the last of nine first: Spearman's rho is 1 - 6 * 72 / 720.
    assert [rung.correlation for rung in result.rungs] == pytest.approx([0.4, 0.4])
