"""The reader of compiled programs (benchmarks/hlo.py), on one cut down to what it looks for."""

from pathlib import Path

import hlo
import pytest

PROGRAM = hlo.Program((Path(__file__).parent / "program.hlo").read_text())


def weight(_: hlo.Operation) -> float:
    return 1


def test_loops_nest_with_trip_counts_that_are_noted_or_inferred() -> None:
    (epoch,) = PROGRAM.block.loops
    assert epoch.turns is None
    assert [loop.turns for loop in epoch.loops] == [2, 8]
    assert epoch == PROGRAM.block.microbatch()


def test_operations_are_those_that_start_something_in_the_dearest_alternative() -> None:
    block = PROGRAM.block.microbatch()
    assert block.over_time(weight) == (2 + 8) * 2
    assert block.turn(weight) == (2 + 8) * 2 + 2  # and a comparison, and the start of a copy
    assert block.turn(lambda op: op.cycles) == (2 + 8) * 150


def test_bytes_are_those_of_slices_and_changes() -> None:
    row, rows, index = 4 * 32 * 4, 4 * 8 * 32 * 4, 4
    read, write = PROGRAM.block.microbatch().loops[0].started
    assert read.size == row
    assert PROGRAM.moved(read) == 2 * row + index
    assert PROGRAM.moved(write) == 2 * row + index
    (copy,) = PROGRAM.block.microbatch().inner[-1][0].started
    assert copy.kind == "copy-start"
    assert PROGRAM.moved(copy) == 3 * rows + index


def test_a_bracket_that_nothing_closes_is_no_operation() -> None:
    with pytest.raises(ValueError, match="No bracket closes"):
        hlo.Operation.parse("broken", "f32[] add(%a, %b")
