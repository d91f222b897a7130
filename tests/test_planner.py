"""Grouping: each configuration in one group that fits, and compile time against padding."""

import random
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxrnn
import search
from jaxrnn.configuration import rules
from jaxrnn.network.architecture import Architecture, architecture_of
from jaxrnn.population.lanes import LanePlan
from jaxrnn.population.planner import (
    CERTAIN,
    CPU,
    GPU,
    TPU,
    Costs,
    Group,
    bucket,
    costs_of,
    fit,
    plan,
)
from jaxrnn.spaces import SpaceContext
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.spec import TaskSpec

MICROBATCH, MAX_EPOCHS = 32, 27
PROBLEM = TaskSpec(inputs=3, outputs=4, lengths_differ=False)
STEPS = 8 * 512 * 5.0
POOL = 200
BUCKETS = [16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096]
CHEAP, DEAR = Costs(0.0, 0.0, 1e9), Costs(1e9, 1e9, 1e9)
Entries = dict[str, Any]


@cache
def full_space() -> search.Space:
    return search.Space(
        jaxrnn.SPACES["full"](SpaceContext(Classification((0, 1)), 8, MICROBATCH, MAX_EPOCHS)),
        jaxrnn.conditions(),
    )


@cache
def drawn(count: int, seed: int) -> list[Entries]:
    proposals = search.make_sampler("random", full_space(), seed).ask(count, [])
    return [complete(proposal.configuration) for proposal in proposals]


def some(positions: list[int]) -> list[Entries]:
    pool = drawn(POOL, 0)  # drawing takes much longer than planning
    return [pool[position] for position in positions]


def complete(given: Any) -> Entries:
    return rules.complete(given, MICROBATCH, MAX_EPOCHS)


def planned(entries: list[Entries], costs: Costs) -> list[Group]:
    return plan(entries, PROBLEM, MICROBATCH, STEPS, costs)


def kind(entries: Entries) -> tuple[Any, ...]:
    return entries["cell"], entries["layers"], entries["bidirectional"]


def units(entries: Entries) -> list[int]:
    return [entries[name] for name in rules.UNITS_OF_LAYERS if name in entries]


populations = st.builds(some, st.lists(st.integers(0, POOL - 1), min_size=1, max_size=40))
machines = st.sampled_from([CPU, GPU, TPU, CHEAP, DEAR])


@settings(max_examples=60)
@given(populations, machines)
def test_every_configuration_is_in_one_group(entries: list[Entries], costs: Costs) -> None:
    groups = planned(entries, costs)
    members = [position for group in groups for position in group.members]
    assert sorted(members) == list(range(len(entries)))
    assert all(list(group.members) == sorted(group.members) for group in groups)


@settings(max_examples=60)
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
            for layer, named in architecture_of(one, PROBLEM).shapes().items():
                for name, shape in named.items():
                    assert all(a <= b for a, b in zip(shape, shapes[layer][name], strict=True))
            assert one["optimizer"] in arch.optimizers and one["activation"] in arch.activations
        assert 0 <= group.padded < 1


@settings(max_examples=60)
@given(populations)
def test_compile_time_decides_how_many_groups_there_are(entries: list[Entries]) -> None:
    kinds = {kind(one) for one in entries}
    buckets = {(kind(one), bucket(max(units(one)))) for one in entries}
    cheap, dear = planned(entries, CHEAP), planned(entries, DEAR)
    assert len(dear) == len(kinds)
    assert len(cheap) == len(buckets)
    assert len(kinds) <= len(planned(entries, CPU)) <= len(buckets)


@settings(max_examples=60)
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


# Fitting into what was expected


def homes(entries: list[Entries], expected: list[Group]) -> list[Architecture]:
    """Of every member by itself, in order."""
    known = [group.architecture for group in expected]
    return [fit([one], known, PROBLEM, MICROBATCH)[0].architecture for one in entries]


@settings(max_examples=60)
@given(populations, populations, machines)
def test_every_configuration_fits_and_no_other_matters(
    expecting: list[Entries], entries: list[Entries], costs: Costs
) -> None:
    expected = planned(expecting, costs)
    groups = fit(entries, [group.architecture for group in expected], PROBLEM, MICROBATCH)
    members = [position for group in groups for position in group.members]
    assert sorted(members) == list(range(len(entries)))
    assert len({group.architecture for group in groups}) == len(groups)
    own = homes(entries, expected)
    for group in groups:
        assert list(group.members) == sorted(group.members) and 0 <= group.padded < 1
        for position in group.members:
            assert own[position] == group.architecture
            alone = architecture_of(entries[position], PROBLEM, MICROBATCH)
            assert group.architecture.covers(alone)
            covering = [one.architecture for one in expected if one.architecture.covers(alone)]
            if covering:
                least = min(one.arithmetic() for one in covering)
                assert group.architecture in covering
                assert group.architecture.arithmetic() == least
            else:
                assert [group.architecture] == [
                    one.architecture for one in planned([entries[position]], costs)
                ]


@settings(max_examples=60)
@given(populations, machines)
def test_planned_configurations_are_covered(entries: list[Entries], costs: Costs) -> None:
    expected = planned(entries, costs)
    for group in expected:
        for position in group.members:
            alone = architecture_of(entries[position], PROBLEM, MICROBATCH)
            assert group.architecture.covers(alone) and alone.covers(alone)
    known = {group.architecture for group in expected}
    assert set(homes(entries, expected)) <= known


ROOMY = {
    "layers": 2,
    "hidden_size": 20,
    "dense_before": 2,
    "dense_before_units": 40,
    "dense_after": 1,
    "dropout": 0.1,
    "optimizer": "sgd",
}
PLAIN = {"layers": 2, "hidden_size": 16, "optimizer": "sgd"}
COVERED = [
    (PLAIN, True),
    ({**PLAIN, "hidden_size": 32}, True),
    ({**PLAIN, "hidden_size_2": 33}, False),
    ({**PLAIN, "hidden_size": 33, "hidden_size_2": 8}, False),
    ({**PLAIN, "dropout": 0.3}, True),
    ({**PLAIN, "recurrent_dropout": 0.3}, False),
    ({**PLAIN, "dense_before": 2, "dense_before_units": 48}, True),
    ({**PLAIN, "dense_before": 1, "dense_before_units": 49}, False),
    ({**PLAIN, "dense_before": 3, "dense_before_units": 8}, False),
    ({**PLAIN, "dense_before": 1, "dense_before_activation": "tanh"}, False),
    ({**PLAIN, "dense_after": 1, "dense_after_units": 8}, True),
    ({**PLAIN, "dense_after": 2, "dense_after_units": 8}, False),
    ({**PLAIN, "dense_after": 1, "dense_after_units": 100}, False),
    ({**PLAIN, "dense_after": 1, "dense_after_activation": "tanh"}, False),
    ({**PLAIN, "optimizer": "adam"}, False),
    ({**PLAIN, "activation": "relu"}, False),
    ({**PLAIN, "output_activation": "relu"}, False),
    ({**PLAIN, "cell": "gru"}, False),
    ({**PLAIN, "bidirectional": True}, False),
    ({**PLAIN, "layers": 1}, False),
    ({**PLAIN, "layers": 3}, False),
    ({**PLAIN, "batch_size": 64}, False),
    ({**PLAIN, "patience": 3}, False),
]


@pytest.mark.parametrize(("given", "covered"), COVERED)
def test_what_an_architecture_covers(given: Entries, covered: bool) -> None:
    expected = planned([complete(ROOMY)], CPU)
    (group,) = fit([complete(given)], [expected[0].architecture], PROBLEM, MICROBATCH)
    assert (group.architecture == expected[0].architecture) == covered


def test_other_data_is_not_covered() -> None:
    (group,) = planned([complete(PLAIN)], CPU)
    alone = architecture_of(complete(PLAIN), PROBLEM, MICROBATCH)
    for other in (PROBLEM._replace(inputs=2), PROBLEM._replace(outputs=3)):
        assert not group.architecture.covers(architecture_of(complete(PLAIN), other, MICROBATCH))
    assert group.architecture.covers(alone)


def test_wider_embeddings_are_not_covered() -> None:
    tokens = TaskSpec(0, 5, lengths_differ=False, vocabulary=5, per_step=True, stateful=True)
    (group,) = plan([complete(PLAIN)], tokens, MICROBATCH, STEPS, CPU)
    for size, covered in ((31, True), (32, True), (33, False)):
        own = architecture_of(complete({**PLAIN, "embedding_size": size}), tokens, MICROBATCH)
        assert group.architecture.covers(own) == covered


def test_the_cheapest_cover_is_chosen_and_the_first_of_equal_ones() -> None:
    def expected(*given: Entries) -> list[Architecture]:
        return [planned([complete(one)], CPU)[0].architecture for one in given]

    wide, narrow = expected({**PLAIN, "hidden_size": 64}, {**PLAIN, "hidden_size": 30})
    noisy, dropping = expected({**PLAIN, "input_noise": 0.1}, {**PLAIN, "dropout": 0.1})
    own = [complete({**PLAIN, "hidden_size": size}) for size in (16, 31, 64)]
    for order in ([wide, narrow], [narrow, wide]):
        groups = fit(own, order, PROBLEM, MICROBATCH)
        assert {group.architecture: group.members for group in groups} == {
            narrow: (0, 1),
            wide: (2,),
        }
    for order in ([noisy, dropping], [dropping, noisy]):
        assert fit(own[:1], order, PROBLEM, MICROBATCH)[0].architecture == order[0]


@given(st.integers(1, 4096))
def test_buckets(size: int) -> None:
    assert bucket(size) == min(bucket for bucket in BUCKETS if bucket >= size)


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


# Platforms


def lstm(units: int) -> Entries:
    return complete({"cell": "lstm", "hidden_size": units})


def test_tiles_by_hand() -> None:
    arch = architecture_of(lstm(16), PROBLEM)
    assert arch.arithmetic() == 3 * 4 * 16 + 16 * 4 * 16 + 16 * 4
    assert arch.arithmetic(128) == 128 * 128 + 128 * 128 + 128 * 128
    wide = architecture_of(lstm(130), PROBLEM)
    assert wide.arithmetic(128) == 128 * 640 + 256 * 640 + 256 * 128
    (gpu, tpu), other = (costs_of(name, 1) for name in ("gpu", "tpu")), lstm(32)
    assert gpu.computing(arch, 1e6) < gpu.computing(architecture_of(other, PROBLEM), 1e6)
    assert tpu.computing(arch, 1e6) == tpu.computing(architecture_of(other, PROBLEM), 1e6)


@pytest.mark.parametrize(
    ("platform", "wide", "groups"),
    [("cpu", 32, 2), ("gpu", 32, 2), ("tpu", 32, 1), ("tpu", 128, 2)],
)
def test_on_a_tpu_narrow_members_join_others(platform: str, wide: int, groups: int) -> None:
    """However long they train: they would not be faster alone."""
    entries = [lstm(16)] * 500 + [lstm(wide)] * 500
    long = plan(entries, PROBLEM, MICROBATCH, 1e9, costs_of(platform, 1))
    assert len(long) == groups


def test_devices_share_the_arithmetic() -> None:
    arch = architecture_of(lstm(64), PROBLEM)
    for platform in ("gpu", "tpu"):
        one, four = (costs_of(platform, devices) for devices in (1, 4))
        assert four.computing(arch, 8.0) == pytest.approx(one.computing(arch, 2.0))
        assert four.compiling(arch) == one.compiling(arch)
    assert costs_of("cpu", 8) == CPU


@pytest.mark.parametrize(
    ("platform", "devices", "members", "lanes"),
    [
        ("cpu", 2, 1000, 1),
        ("tpu", 1, 1000, 128),
        ("tpu", 8, 1000, 128),
        ("tpu", 8, 100, 16),
        ("gpu", 1, 4096, 256),
        ("gpu", 1, 3, 4),
        ("rocm", 4, 600, 256),
    ],
)
def test_lanes_to_begin_with(platform: str, devices: int, members: int, lanes: int) -> None:
    """Of devices that are not here, of which only kind and number count."""
    one = SimpleNamespace(platform=platform)
    mesh: Any = SimpleNamespace(devices=np.array([one] * devices), size=devices)
    arch = architecture_of(lstm(16), PROBLEM)
    assert LanePlan(None, mesh).lanes(arch, members) == lanes
    assert LanePlan(512, mesh).lanes(arch, members) == 512


@pytest.mark.parametrize(
    ("use", "given"),
    [
        ("accumulation", {"batch_size": 2 * MICROBATCH}),
        ("accumulation", {"batch_growth_epochs": 2}),
        ("validation", {"patience": 3}),
        ("validation", {"schedule": "plateau"}),
        ("tbptt", {"tbptt_length": 4}),
        ("tbptt_overlap", {"tbptt_length": 4, "tbptt_overlap": 0.5}),
        ("crop", {"crop_length": 2}),
    ],
)
def test_code_is_there_where_a_hyperparameter_needs_it(use: str, given: Entries) -> None:
    """Nowhere else, or all members would pay for it."""
    without, needed = (
        architecture_of(complete(entries), PROBLEM, MICROBATCH).uses for entries in ({}, given)
    )
    assert (getattr(without, use), getattr(needed, use)) == (False, True)
