"""The memory plan: its arithmetic, what it reads of real programs, and what it says to people."""

import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxrnn
from jaxrnn.population import free_memory
from jaxrnn.population.free_memory import free_here, free_on
from jaxrnn.population.lanes import LADDER, enough, halved, ladder_at_most
from jaxrnn.population.memory import (
    GIB,
    ON_HOST,
    USABLE,
    Budget,
    Need,
    budget,
    bytes_needed,
    choose,
    is_out_of_memory,
    member_bytes,
    need,
)

# The ladder


@pytest.mark.parametrize(
    ("members", "steps"),
    [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (1000, 1024), (4096, 4096), (10_000, 4096)],
)
def test_enough_lanes(members: int, steps: int) -> None:
    assert enough(members) == steps


@pytest.mark.parametrize(
    ("lanes", "narrower"), [(4096, 2048), (5, 4), (4, 2), (3, 2), (2, 1), (1, None)]
)
def test_halved_lanes(lanes: int, narrower: int | None) -> None:
    assert halved(lanes) == narrower


def test_the_ladder_has_thirteen_steps() -> None:
    assert LADDER == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
    assert ladder_at_most(1) == (1,) and ladder_at_most(7) == (4, 2, 1)
    assert ladder_at_most(9999) == LADDER[::-1]
    with pytest.raises(ValueError, match=r"`lanes` is 0, but must be at least 1\."):
        ladder_at_most(0)


# What there is


class Fake:
    """A device that says what a test wants."""

    def __init__(self, limit: int | None, used: int = 0) -> None:
        self._stats = None if limit is None else {"bytes_limit": limit, "bytes_in_use": used}

    def memory_stats(self) -> dict[str, int] | None:
        return self._stats


def test_an_accelerator_says_what_it_has() -> None:
    assert free_on(Fake(1000, 300)) == (700, 300)
    assert free_on(Fake(1000, 1200)) == (0, 1200)
    assert free_on(Fake(None)) is None and free_on(jax.devices()[0]) is None
    assert budget([Fake(1000, 300)]) == Budget(630, 1)
    assert budget([Fake(1000, 300), Fake(1000, 500)]) == Budget(450, 2)  # the fullest one counts


def test_a_limit_caps_each_accelerator() -> None:
    full = [Fake(8 * GIB, GIB)] * 2
    assert budget(full, 2.0) == Budget(int(USABLE * GIB), 2, 2.0)
    assert budget(full, 0.5) == Budget(0, 2, 0.5)
    assert budget(full, 100.0) == Budget(int(USABLE * 7 * GIB), 2, 100.0)


def test_devices_of_a_cpu_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxrnn.population.memory.free_here", lambda: (6 * GIB, GIB))
    two = [Fake(None)] * 2
    assert budget(two) == Budget(int(USABLE * 6 * GIB) // 2, 2, None, ON_HOST)
    assert budget(two, 3.0).bytes == int(USABLE * 2 * GIB) // 2  # a third is taken already
    assert budget(two, 100.0).bytes == budget(two).bytes
    assert budget(two, 0.5).bytes == 0


def test_this_machine_has_memory() -> None:
    free, used = free_here()
    assert 1 << 20 < used < 1 << 40 and 1 << 20 < free < 1 << 50
    there = budget(jax.devices())
    assert there.devices == 8 and 0 < there.bytes * 8 <= 1 << 50


def group(folder: Path, names: tuple[str, str, str], values: tuple[Any, int, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{values[0]}\n")
    (folder / names[1]).write_text(f"{values[1]}\n")
    (folder / "memory.stat").write_text(f"anon 7\n{names[2]} {values[2]}\n")


NEW = "memory.max", "memory.current", "inactive_file"
OLD = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"


def test_control_groups_limit_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a container, of a batch job, of the groups above it; kept files can be given back."""
    own = tmp_path / "own"
    machine, _ = free_here(tmp_path / "none", own)
    monkeypatch.setattr(free_memory.psutil, "virtual_memory", lambda: Free(10_000))
    assert machine > 10_000 and free_here(tmp_path / "none", own)[0] == 10_000
    group(tmp_path / "a", NEW, (5000, 3000, 500))
    assert free_here(tmp_path / "a", own)[0] == 2500
    group(tmp_path / "a", NEW, ("max", 3000, 500))
    assert free_here(tmp_path / "a", own)[0] == 10_000
    own.write_text("0::/job/step\n")
    group(tmp_path / "a" / "job" / "step", NEW, ("max", 30, 0))
    group(tmp_path / "a" / "job", NEW, (900, 100, 50))
    assert free_here(tmp_path / "a", own)[0] == 850
    own.write_text("9:cpu:/job\n4:memory:/job/step\n")
    group(tmp_path / "b" / "memory" / "job", OLD, (700, 100, 0))
    assert free_here(tmp_path / "b", own)[0] == 600
    group(tmp_path / "b" / "memory" / "job" / "step", OLD, (700, 800, 0))
    assert free_here(tmp_path / "b", own)[0] == 0


class Free:
    def __init__(self, available: int) -> None:
        self.available = available


# What fits

ONE = Need(fixed=1000, member=100, lane=50)


@pytest.mark.parametrize(("waves", "lanes", "total"), [(1, 1, 1150), (3, 2, 1700), (5, 4, 3200)])
def test_need_is_linear(waves: int, lanes: int, total: int) -> None:
    assert ONE.total(waves, lanes) == total


@pytest.mark.parametrize(
    ("room", "lanes"),
    # 16 members at 100 bytes each, and 50 bytes for each lane, besides 1000
    [(1 << 40, 16), (3400, 16), (3399, 8), (3000, 8), (2999, 4), (2700, 2), (2650, 1)],
)
def test_the_widest_step_that_fits(room: int, lanes: int) -> None:
    assert choose([(ONE, 16)], Budget(room, 1), 4096) == lanes
    assert choose([(ONE, 32)], Budget(room, 2), 4096) == lanes
    assert choose([(ONE, 16)], Budget(room, 1), 4) == min(4, lanes)


def test_no_more_lanes_than_members() -> None:
    plenty = Budget(1 << 60, 2)
    table = {1: 1, 2: 1, 3: 2, 9: 8, 16: 8, 17: 16, 10_000: 4096}
    assert {members: choose([(ONE, members)], plenty, 4096) for members in table} == table
    assert choose([(ONE, 2), (ONE, 40)], plenty, 4096) == 32  # the largest cohort counts


def test_cohorts_share_data_and_nothing_else() -> None:
    """1000 of data once; 4 members of each at 100, and 50 for each lane of each."""
    cohorts = [(ONE, 4), (Need(900, 100, 50), 4)]
    assert choose(cohorts, Budget(1000 + 800 + 400, 1), 4096) == 4
    assert choose(cohorts, Budget(1000 + 800 + 399, 1), 4096) == 2
    copies = Budget(1000 + 3 * 800 + 400, 1, None, 3)
    assert choose(cohorts, copies, 4096) == 4
    assert choose(cohorts, copies._replace(bytes=copies.bytes - 1), 4096) == 2


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, 99), st.integers(1, 99)), min_size=1),
    st.integers(1, 300),
    st.integers(1, 3),
    st.integers(100, 10**6),
)
def test_choose_is_the_widest(needs: list, members: int, devices: int, room: int) -> None:
    """Against plain trying of every step, with sums written down once more."""
    cohorts = [(Need(*one), members + 7 * k) for k, one in enumerate(needs)]

    def fits(lanes: int) -> bool:
        total = max(one.fixed for one, _ in cohorts)
        for one, own in cohorts:
            rows = -(-own // (devices * lanes))
            total += rows * lanes * one.member + lanes * one.lane
        return total <= room

    most = -(-max(own for _, own in cohorts) // devices)
    allowed = [lanes for lanes in LADDER if lanes < 2 * most and fits(lanes)]
    if allowed:
        assert choose(cohorts, Budget(room, devices), 4096) == max(allowed)
    else:
        with pytest.raises(ValueError) as error:
            choose(cohorts, Budget(room, devices), 4096)
        told = re.search(r"at most (\d+) fit", str(error.value))
        assert told is not None and int(told[1]) < sum(own for _, own in cohorts)


def test_too_little_memory_is_a_sentence_for_people() -> None:
    member = 10 << 20
    large = Need(fixed=GIB // 4, member=member, lane=2 * member)
    for there, head in (
        (Budget(GIB, 1, 1.2), "`memory_limit` is 1.2 GiB, of which 1 GiB are free"),
        (Budget(GIB, 1), "1 GiB are free"),
    ):
        with pytest.raises(ValueError) as error:
            choose([(large, 10_000)], there, 64)
        assert str(error.value) == (
            f"{head} for members and data, but 10000 members need 97.9 GiB; at most 74 fit at once."
        )
    assert choose([(large, 74)], Budget(GIB, 1), 64) == 1
    with pytest.raises(ValueError, match=r"0\.0488 GiB are free for .* at most 0 fit at once"):
        choose([(large, 10)], Budget(50 << 20, 1), 64)


# What programs say


def compiled(data: jaxrnn.Data, lanes: int, devices: int, entries: dict[str, Any]) -> Any:
    """The two programs of a cohort of two rows, and the bytes of a member."""
    trainer = jaxrnn.Trainer(data, lanes=lanes, devices=devices)
    count = 2 * lanes * devices
    (cohort,) = trainer.start([entries] * count, range(count)).cohorts
    programs = [cohort.programs.train, cohort.programs.evaluate]
    return programs, member_bytes((cohort.setting, cohort.state)), cohort


SMALL = {"cell": "lstm", "hidden_size": 12}
LARGE = {"cell": "gru", "hidden_size": 50, "layers": 2, "dropout": 0.2, "patience": 3}


def test_bytes_of_a_member_are_those_of_its_arrays(data: jaxrnn.Data) -> None:
    _, member, cohort = compiled(data, 2, 1, LARGE)
    parked = cohort.on_host()[0]
    sizes = [np.asarray(leaf).nbytes for leaf in jax.tree.leaves(parked)]
    assert member == sum(sizes)
    weights = sum(leaf[0, 0].size for leaf in cohort.state.learner.parameters)
    assert 4 * 4 * weights <= member < 4 * 4 * weights + 1000  # two moments, and the best ones


def test_donated_memory_counts_once(data: jaxrnn.Data) -> None:
    """Of one program: what goes in, what comes out anew, and what it works with."""
    (train, _), member, cohort = compiled(data, 2, 1, SMALL)
    told = train.memory_analysis()
    state = 4 * (member - member_bytes(cohort.setting))
    assert told.alias_size_in_bytes == state
    apart = told.argument_size_in_bytes + told.output_size_in_bytes + told.temp_size_in_bytes
    assert bytes_needed(train) == apart - state
    plain = jax.jit(lambda x: jnp.outer(x, x)).lower(jnp.zeros(256)).compile()
    assert 256 * 4 + 256 * 256 * 4 <= bytes_needed(plain) <= 256 * 4 + 256 * 256 * 4 + 1000


@pytest.mark.slow
@pytest.mark.parametrize(("entries", "devices"), [(SMALL, 1), (SMALL, 2), (LARGE, 1)])
def test_the_model_is_within_a_tenth(data: jaxrnn.Data, entries: dict, devices: int) -> None:
    """From two lanes on each device to others, as the compiler has it."""
    programs, member, _ = compiled(data, 2, devices, entries)
    model = need(programs, 2, 2, member)
    for lanes in (1, 4, 16):
        others, same, _ = compiled(data, lanes, devices, entries)
        real = max(map(bytes_needed, others))
        assert same == member
        if lanes == 1:  # another program, without a copy of what lanes share
            assert 0.75 * real < model.total(2, 1) < 1.4 * real
        else:
            assert model.total(2, lanes) == pytest.approx(real, rel=0.1)
        assert need(others, 2, lanes, member).total(2, lanes) == pytest.approx(real, rel=0.02)


def test_more_waves_need_no_more_work(data: jaxrnn.Data) -> None:
    trainer = jaxrnn.Trainer(data, lanes=2, devices=1)
    (cohort,) = trainer.start([SMALL] * 20, range(20)).cohorts
    programs, member, _ = compiled(data, 2, 1, SMALL)
    own = need([cohort.programs.train, cohort.programs.evaluate], 10, 2, member)
    assert need(programs, 2, 2, member).lane == pytest.approx(own.lane, rel=0.1)
    real = bytes_needed(cohort.programs.train)  # evaluation may work with more, but has less there
    assert 0.9 * real < own.total(10, 2) < 1.4 * real


# When it is gone


def test_errors_of_full_memory_are_known() -> None:
    with pytest.raises(jax.errors.JaxRuntimeError) as device:
        jnp.zeros((1 << 46,), jnp.float32)
    with pytest.raises(MemoryError) as host:
        np.zeros(1 << 56, np.int8)
    assert is_out_of_memory(device.value) and is_out_of_memory(host.value)


def test_other_errors_are_not() -> None:
    with pytest.raises(jax.errors.JaxRuntimeError) as error:
        jax.devices()[0].client.compile_and_load("no program", jax.devices()[:1])
    for other in (error.value, ValueError("RESOURCE_EXHAUSTED"), RuntimeError("no memory")):
        assert not is_out_of_memory(other)
