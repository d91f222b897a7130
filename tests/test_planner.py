"""Grouping: nobody lost, everybody fits, and compile time weighed against padding."""

import random
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxrnn
import search
from jaxrnn.configuration import rules
from jaxrnn.network import structure
from jaxrnn.population.planner import ACCELERATOR, CERTAIN, CPU, Costs, Group, plan
from jaxrnn.spaces import Asked
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.problem import Problem

MICROBATCH, MAX_EPOCHS = 32, 27
PROBLEM = Problem(inputs=3, outputs=4, lengths_differ=False)
STEPS = 8 * 512 * 5.0
BUCKETS = [16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096]
CHEAP, DEAR = Costs(0.0, 0.0, 1e9), Costs(1e9, 1e9, 1e9)
Entries = dict[str, Any]


@cache
def full_space() -> search.Space:
    return search.Space(
        jaxrnn.SPACES["full"](Asked(Classification((0, 1)), 8, MICROBATCH, MAX_EPOCHS)),
        jaxrnn.conditions(),
    )


def drawn(count: int, seed: int) -> list[Entries]:
    trials = search.random_trials(full_space(), count, seed)
    return [complete(trial.configuration) for trial in trials]


def complete(given: Any) -> Entries:
    return rules.complete(given, MICROBATCH, MAX_EPOCHS)


def planned(entries: list[Entries], costs: Costs) -> list[Group]:
    return plan(entries, PROBLEM, MICROBATCH, STEPS, costs)


def kind(entries: Entries) -> tuple[Any, ...]:
    return entries["cell"], entries["layers"], entries["bidirectional"]


def units(entries: Entries) -> list[int]:
    return [entries[name] for name in rules.UNITS_OF_LAYERS if name in entries]


populations = st.builds(drawn, st.integers(1, 40), st.integers(0, 10_000))
machines = st.sampled_from([CPU, ACCELERATOR, CHEAP, DEAR])


@settings(max_examples=40)
@given(populations, machines)
def test_nobody_is_lost_and_nobody_is_there_twice(entries: list[Entries], costs: Costs) -> None:
    groups = planned(entries, costs)
    members = [position for group in groups for position in group.members]
    assert sorted(members) == list(range(len(entries)))
    assert all(list(group.members) == sorted(group.members) for group in groups)


@settings(max_examples=40)
@given(populations, machines)
def test_members_fit_their_architecture(entries: list[Entries], costs: Costs) -> None:
    for group in planned(entries, costs):
        own, arch = [entries[position] for position in group.members], group.architecture
        assert {kind(one) for one in own} == {
            (arch.cell, len(arch.sizes.layers), arch.bidirectional)
        }
        widest = max(max(units(one)) for one in own)
        assert set(arch.sizes.layers) == {min(size for size in BUCKETS if size >= widest)}
        shapes = arch.shapes()
        for one in own:
            for layer, named in structure.alone(one, PROBLEM).shapes().items():
                for name, shape in named.items():
                    assert all(a <= b for a, b in zip(shape, shapes[layer][name], strict=True))
            assert one["optimizer"] in arch.optimizers and one["activation"] in arch.activations
        assert 0 <= group.padded < 1


@settings(max_examples=40)
@given(populations)
def test_compile_time_decides_how_many_groups_there_are(entries: list[Entries]) -> None:
    kinds = {kind(one) for one in entries}
    buckets = {(kind(one), structure.bucket(max(units(one)))) for one in entries}
    cheap, dear = planned(entries, CHEAP), planned(entries, DEAR)
    assert len(dear) == len(kinds)
    assert len(cheap) == len(buckets)
    assert len(kinds) <= len(planned(entries, CPU)) <= len(buckets)


@settings(max_examples=30)
@given(populations, machines, st.randoms(use_true_random=False))
def test_the_order_of_the_population_does_not_matter(
    entries: list[Entries], costs: Costs, shuffling: random.Random
) -> None:
    order = list(range(len(entries)))
    shuffling.shuffle(order)

    def as_sets(groups: list[Group], names: list[int]) -> set[Any]:
        return {
            (frozenset(names[p] for p in group.members), group.architecture, group.padded)
            for group in groups
        }

    straight = as_sets(planned(entries, costs), list(range(len(entries))))
    assert as_sets(planned([entries[p] for p in order], costs), order) == straight


@given(st.integers(1, 4096))
def test_buckets(size: int) -> None:
    assert structure.bucket(size) == min(bucket for bucket in BUCKETS if bucket >= size)


def test_the_padded_share_by_hand() -> None:
    """LSTM, 3 inputs, 4 classes: 4 H (3 + H) + 4 H multiplications a step."""
    members = [complete({"hidden_size": size}) for size in (10, 12, 16)]
    (group,) = planned(members, DEAR)
    needed = sum(4 * size * (3 + size) + 4 * size for size in (10, 12, 16))
    spent = 3 * (4 * 16 * (3 + 16) + 4 * 16)
    assert needed == 560 + 768 + 1280 and spent == 3840
    assert group.padded == pytest.approx(1 - needed / spent)
    assert planned(members[2:], DEAR)[0].padded == 0.0


def test_the_padded_share_counts_dense_layers_directions_and_depth() -> None:
    """GRU, two layers in two directions of 16; one member has two dense layers of 8 below."""
    same = {"cell": "gru", "layers": 2, "bidirectional": True, "hidden_size": 16}
    members = [complete(same), complete({**same, "dense_before": 2, "dense_before_units": 8})]
    (group,) = planned(members, DEAR)
    second, head = 2 * 3 * 16 * (32 + 16), 32 * 4
    first = [2 * 3 * 16 * (inputs + 16) for inputs in (3, 8, 16)]
    needed = (first[0] + second + head) + (3 * 8 + 8 * 8 + first[1] + second + head)
    spent = 2 * (3 * 16 + 16 * 16 + first[2] + second + head)  # dense layers in a bucket of 16
    assert group.padded == pytest.approx(1 - needed / spent)
    assert group.description() == {
        "cell": "gru",
        "layers": 2,
        "bidirectional": True,
        "trials": 2,
        "bucket": 16,
        "padded_share": round(1 - needed / spent, 4),
    }


def test_the_cut_takes_the_fewest_seconds() -> None:
    """Sizes 16, 32 and 64: two programs are best where the third costs more than its padding."""
    members = [complete({"hidden_size": size}) for size in (16, 32, 64)]

    def seconds(*groups: tuple[int, int], compiling: float) -> float:
        """Of groups of (members, width)."""
        work = sum(count * 4 * width * (3 + width + 1) for count, width in groups)
        return CERTAIN * len(groups) * compiling + 3 * STEPS * work / 1e9

    cuts = {
        ((0,), (1,), (2,)): ((1, 16), (1, 32), (1, 64)),
        ((0, 1), (2,)): ((2, 32), (1, 64)),
        ((0,), (1, 2)): ((1, 16), (2, 64)),
        ((0, 1, 2),): ((3, 64),),
    }
    chosen = set()
    for compiling in np.geomspace(0.01, 10, 20):
        groups = planned(members, Costs(float(compiling), 0.0, 1e9))
        best = min(cuts, key=lambda cut: seconds(*cuts[cut], compiling=float(compiling)))
        assert tuple(group.members for group in groups) == best
        chosen.add(best)
    assert len(chosen) == 3
