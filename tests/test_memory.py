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
from jaxrnn.population import memory
from jaxrnn.population.lanes import LADDER, fewer_lanes, lanes_for
from jaxrnn.population.memory import (
    COPIES_ON_HOST,
    GIB,
    USABLE,
    Budget,
    budget,
    check_fit,
    free_on,
    free_on_host,
    is_out_of_memory,
    lane_bytes,
    member_bytes,
)

# The ladder


@pytest.mark.parametrize(
    ("members", "steps"),
    [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (1000, 1024), (4096, 4096), (10_000, 4096)],
)
def test_enough_lanes(members: int, steps: int) -> None:
    assert lanes_for(members) == steps


@pytest.mark.parametrize(
    ("lanes", "narrower"), [(4096, 2048), (5, 4), (4, 2), (3, 2), (2, 1), (1, None)]
)
def test_halved_lanes(lanes: int, narrower: int | None) -> None:
    assert fewer_lanes(lanes) == narrower


def test_the_ladder_has_thirteen_steps() -> None:
    assert LADDER == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


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
    monkeypatch.setattr("jaxrnn.population.memory.free_on_host", lambda: (6 * GIB, GIB))
    two = [Fake(None)] * 2
    assert budget(two) == Budget(int(USABLE * 6 * GIB) // 2, 2, None, COPIES_ON_HOST)
    assert budget(two, 3.0).bytes == int(USABLE * 2 * GIB) // 2  # a third is taken already
    assert budget(two, 100.0).bytes == budget(two).bytes
    assert budget(two, 0.5).bytes == 0


def test_this_machine_has_memory() -> None:
    free, used = free_on_host()
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
    machine, _ = free_on_host(tmp_path / "none", own)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: Free(10_000))
    assert machine > 10_000 and free_on_host(tmp_path / "none", own)[0] == 10_000
    group(tmp_path / "a", NEW, (5000, 3000, 500))
    assert free_on_host(tmp_path / "a", own)[0] == 2500
    group(tmp_path / "a", NEW, ("max", 3000, 500))
    assert free_on_host(tmp_path / "a", own)[0] == 10_000
    own.write_text("0::/job/step\n")
    group(tmp_path / "a" / "job" / "step", NEW, ("max", 30, 0))
    group(tmp_path / "a" / "job", NEW, (900, 100, 50))
    assert free_on_host(tmp_path / "a", own)[0] == 850
    own.write_text("9:cpu:/job\n4:memory:/job/step\n")
    group(tmp_path / "b" / "memory" / "job", OLD, (700, 100, 0))
    assert free_on_host(tmp_path / "b", own)[0] == 600
    group(tmp_path / "b" / "memory" / "job" / "step", OLD, (700, 800, 0))
    assert free_on_host(tmp_path / "b", own)[0] == 0


class Free:
    def __init__(self, available: int) -> None:
        self.available = available


# What fits


@given(st.integers(1, 300), st.integers(1, 99), st.integers(1, 5), st.integers(1, 4))
def test_as_many_fit_as_plain_dealing_says(
    members: int, bytes: int, devices: int, copies: int
) -> None:
    there = Budget(5000, devices, None, copies)

    def fits(members: int) -> bool:
        dealt = [0] * devices
        for member in range(members):
            dealt[member % devices] += bytes * copies
        return max(dealt) <= 5000

    if fits(members):
        check_fit(members, bytes, there)
        return
    with pytest.raises(ValueError) as error:
        check_fit(members, bytes, there)
    count = re.search(r"at most (\d+) fit", str(error.value))
    assert count is not None and fits(int(count[1])) and not fits(int(count[1]) + 1)


def test_too_little_memory_is_a_sentence_for_people() -> None:
    for there, head in (
        (Budget(GIB, 1, 1.2), "`memory_limit` is 1.2 GiB, of which 1 GiB are free"),
        (Budget(GIB, 1), "1 GiB are free"),
    ):
        with pytest.raises(ValueError) as error:
            check_fit(10_000, 10 << 20, there)
        assert str(error.value) == (
            f"{head}, but 10000 members need 97.7 GiB; at most 102 fit at once."
        )
    with pytest.raises(ValueError, match=r"0\.0488 GiB are free, but .* at most 0 fit at once"):
        check_fit(10, 60 << 20, Budget(50 << 20, 1))


# What programs say


def compiled(data: jaxrnn.Data, lanes: int, devices: int, entries: dict[str, Any]) -> Any:
    """The two programs of a cohort of two rows, and the bytes of a member."""
    trainer = jaxrnn.Trainer(data, lanes=lanes, devices=devices)
    count = 2 * lanes * devices
    (cohort,) = trainer.start([entries] * count, range(count)).cohorts
    programs = [cohort.programs.train, cohort.programs.evaluate]
    return programs, member_bytes((cohort.packed, cohort.state)), cohort


SMALL = {"cell": "lstm", "hidden_size": 12}
LARGE = {"cell": "gru", "hidden_size": 50, "layers": 2, "dropout": 0.2, "patience": 3}


def test_bytes_of_a_member_are_those_of_its_arrays(data: jaxrnn.Data) -> None:
    _, member, cohort = compiled(data, 2, 1, LARGE)
    on_host = cohort.members_on_host()[0]
    sizes = [np.asarray(leaf).nbytes for leaf in jax.tree.leaves(on_host)]
    assert member == sum(sizes)
    weights = sum(leaf[0, 0].size for leaf in cohort.state.train_state.parameters)
    assert 4 * 4 * weights <= member < 4 * 4 * weights + 1000  # two moments, and the best ones


@pytest.mark.slow
@pytest.mark.parametrize("entries", [SMALL, LARGE])
def test_lanes_take_alike(data: jaxrnn.Data, entries: dict) -> None:
    """As the compiler has it; one lane alone runs another program."""
    each = {
        lanes: lane_bytes(compiled(data, lanes, 1, entries)[0], lanes) for lanes in (1, 2, 4, 16)
    }
    assert each[4] == pytest.approx(each[2], rel=0.05)
    assert each[16] == pytest.approx(each[2], rel=0.05)
    assert 0.6 * each[2] < each[1] < 1.2 * each[2]


@pytest.mark.slow
def test_more_waves_need_no_more_work(data: jaxrnn.Data) -> None:
    trainer = jaxrnn.Trainer(data, lanes=2, devices=1)
    (cohort,) = trainer.start([SMALL] * 20, range(20)).cohorts
    programs = [cohort.programs.train, cohort.programs.evaluate]
    few, _, _ = compiled(data, 2, 1, SMALL)
    assert lane_bytes(programs, 2) == pytest.approx(lane_bytes(few, 2), rel=0.1)


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
