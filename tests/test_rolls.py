"""Rolls: what sounds now is the input, what sounds next the target."""

from typing import Any

import numpy as np
import pytest
from support.splits import splits_of

from jaxrnn.data.options import TaskOptions
from jaxrnn.data.prepare import prepare
from jaxrnn.data.records import PianoRolls
from jaxrnn.tasks.next_step import NextStep

RNG = np.random.default_rng(0)
ROLLS = [RNG.integers(0, 2, (2 + k % 5, 3)) for k in range(30)]
PARTS = np.repeat(["train", "validation", "test"], [20, 5, 5])


def test_targets_are_a_step_ahead() -> None:
    data = prepare(PianoRolls("piano", ROLLS, parts=PARTS), TaskOptions(task="next_step"))
    assert data.task == NextStep(3)
    splits = splits_of(data)
    for split, rolls in zip(splits, (ROLLS[:20], ROLLS[20:25], ROLLS[25:]), strict=True):
        assert (split.inputs.dtype, split.targets.dtype) == (np.float32, np.uint8)
        assert split.inputs.shape == split.targets.shape == (len(rolls), 5, 3)
        for k, roll in enumerate(rolls):
            steps = split.lengths[k]
            assert steps == len(roll) - 1
            np.testing.assert_array_equal(split.inputs[k, :steps], roll[:-1])
            np.testing.assert_array_equal(split.targets[k, :steps], roll[1:])
            assert not split.inputs[k, steps:].any() and not split.targets[k, steps:].any()
    problem = data.spec
    assert (problem.inputs, problem.outputs, problem.per_step) == (3, 3, True)
    assert problem.lengths_differ and not problem.stateful


def test_rolls_are_divided_by_group() -> None:
    marked = [np.vstack([np.eye(30, dtype=int)[k], np.zeros((2, 30), int)]) for k in range(30)]
    data = prepare(PianoRolls("piano", marked, groups=np.arange(30) // 3), seed=1)
    splits = splits_of(data)
    groups = [set(split.inputs[:, 0].argmax(-1) // 3) for split in splits]
    assert sum(map(len, groups)) == 10
    assert sum(len(split) for split in splits) == 30


@pytest.mark.parametrize(
    ("rolls", "options", "message"),
    [
        ([], {}, "`data` holds no roll, but must hold some."),
        (
            [*ROLLS, np.ones((1, 3))],
            {},
            "`data` roll 30 has the shape (1, 3), but must be (time, 3)",
        ),
        (
            [*ROLLS, np.ones((4, 2))],
            {},
            "`data` roll 30 has the shape (4, 2), but must be (time, 3)",
        ),
        ([*ROLLS, np.full((4, 3), 2)], {}, "`data` roll 30 holds something else than 0 and 1."),
        ([*ROLLS, np.full((4, 3), np.nan)], {}, "roll 30 holds something else than 0 and 1."),
        (ROLLS, {"task": "labelling"}, "`task` is 'labelling', but must be 'next_step' for rolls."),
        (ROLLS, {"look_back": 1}, "`look_back` is given, but has no meaning for rolls."),
        (ROLLS, {"reach_back": True}, "`reach_back` is given, but has no meaning for rolls."),
    ],
)
def test_bad_rolls(rolls: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        prepare(PianoRolls("bad", rolls), TaskOptions(**options))
    assert message in str(error.value)
