"""Checkpoints that outlive kills and damage, exact records, one process a folder."""

import json
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.records.checkpoint import Checkpoints, records_of, trials_of
from search.records.lock import locked
from search.records.strict_json import decode, encode
from search.trial import Proposal, Trial, TrialStatus

NUMBERS = st.integers(-(2**60), 2**60)
FLOATS = st.floats(allow_nan=False) | st.just(math.nan)  # one NaN: JSON has no payloads
TEXT = st.text(max_size=4) | st.sampled_from(["$", "nan"])
LEAVES = st.none() | st.booleans() | NUMBERS | FLOATS | TEXT
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | NUMBERS, inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.dictionaries(TEXT, LEAVES, max_size=3)
SCORES = st.dictionaries(st.integers(0, 99), st.dictionaries(TEXT, FLOATS, max_size=2), max_size=3)
TRIALS = st.builds(
    Trial,
    id=NUMBERS,
    seed=st.integers(0, 2**32 - 1),
    configuration=ENTRIES,
    proposal=st.builds(Proposal, ENTRIES, st.none() | ENTRIES),
    bracket=st.integers(0, 9),
    state=st.sampled_from(TrialStatus),
    epochs=NUMBERS,
    target_epochs=NUMBERS,
    ended=st.booleans(),
    metrics=SCORES,
    errors=SCORES,
    history=st.dictionaries(TEXT, st.lists(FLOATS, max_size=3), max_size=2),
    changes=st.lists(st.tuples(NUMBERS, NUMBERS, ENTRIES), max_size=2),
    begun=FLOATS,
    finished=FLOATS | st.none(),
)


def bits(value: Any) -> Any:
    """The same with floats as bits and types beside values: NaN equals NaN, 0.0 not -0.0 or 0."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, dict):
        return [(bits(key), bits(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [bits(item) for item in value]
    return type(value).__name__, value


@given(VALUES)
def test_plain_values_survive_strict_json(value: Any) -> None:
    text = json.dumps(encode(value), allow_nan=False)
    assert bits(decode(json.loads(text))) == bits(value)


def test_what_json_lacks() -> None:
    assert encode([math.nan, -math.inf, (1.5, {3: "a"}), {"$": None}]) == [
        {"$": "nan"},
        {"$": "-inf"},
        [1.5, {"$": [[3, "a"]]}],
        {"$": [["$", None]]},
    ]


@given(st.lists(TRIALS, max_size=2))
def test_trials_survive_strict_json(trials: list[Trial]) -> None:
    text = json.dumps(encode(records_of(trials)), allow_nan=False)
    again = trials_of(decode(json.loads(text)))
    assert [bits(vars(trial)) for trial in again] == [bits(vars(trial)) for trial in trials]
    assert all(
        type(trial.state) is TrialStatus and type(trial.proposal) is Proposal for trial in again
    )


def test_history_of_another_precision_survives() -> None:
    history = {"loss": [float(x) for x in np.random.default_rng(0).random(9, np.float32)]}
    trial = Trial(0, 1, {}, Proposal({}), history=history | {"norm": [math.nan, 5e-324]})
    (again,) = trials_of(decode(json.loads(json.dumps(encode(records_of([trial]))))))
    assert bits(again.history) == bits(trial.history)


def state(content: str = "weights") -> Any:
    """What a trainer saves: a folder with folders."""

    def save(path: Path) -> None:
        (path / "inner").mkdir(parents=True)
        (path / "inner" / "array").write_bytes(content.encode() * 20)
        (path / "sizes.json").write_text("[1, 2]")

    return save


def filled(folder: Path, *numbers: int, keep: int = 2) -> Checkpoints:
    checkpoints = Checkpoints(folder, keep)
    for number in numbers:
        checkpoints.write(number, {"number": number, 3: [math.inf]}, state(str(number)))
    return checkpoints


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def newest(folder: Path) -> tuple[int, list[str]]:
    """Number of the latest one, which must be whole, and the notes."""
    checkpoints = Checkpoints(folder)
    latest = checkpoints.latest()
    assert latest is not None
    number, records, path = latest
    assert records == {"number": number, 3: [math.inf]}
    assert (path / "inner" / "array").read_text() == str(number) * 20
    return number, checkpoints.notes


def test_the_latest_of_those_kept(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    assert Checkpoints(folder).latest() is None
    filled(folder, 0, 9, 10, 200)  # by number, not by name
    assert names(folder) == ["10", "200"]
    assert newest(folder) == (200, [])
    filled(folder, 201, keep=1)
    assert names(folder) == ["201"]
    assert names(folder / "201") == ["manifest.json", "records.json", "state"]


def test_the_same_number_again(tmp_path: Path) -> None:
    """One that is whole stays; a damaged one is written anew."""
    checkpoints, array = filled(tmp_path, 4, 5), tmp_path / "5" / "state" / "inner" / "array"
    checkpoints.write(5, {"number": 5}, state("other"))
    assert names(tmp_path) == ["4", "5"]
    assert array.read_text() == "5" * 20
    array.write_text("")
    checkpoints.write(5, {"number": 5, 3: [math.inf]}, state("other"))
    assert names(tmp_path) == ["4", "5"]
    assert array.read_text() == "other" * 20


def test_leftovers_of_a_kill_are_removed(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    for left in (".2", ".0.old"):
        shutil.copytree(tmp_path / "1", tmp_path / left)
    (tmp_path / ".hidden").write_text("of others")
    Checkpoints(tmp_path)
    assert names(tmp_path) == [".hidden", "1"]
    assert newest(tmp_path) == (1, [])


def damage(path: Path, rng: np.random.Generator) -> None:
    """Flip a bit, cut the end off, add to it, or delete the file."""
    content = bytearray(path.read_bytes())
    kind = rng.integers(4)
    if kind == 0:
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    elif kind == 1:
        del content[rng.integers(len(content)) :]
    elif kind == 2:
        content += b" x"
    path.unlink()
    if kind < 3:
        path.write_bytes(content)


def test_any_damage_falls_back(tmp_path: Path) -> None:
    filled(tmp_path / "whole", 7, 8)
    rng = np.random.default_rng(0)
    for round in range(200):
        folder = tmp_path / str(round)
        shutil.copytree(tmp_path / "whole", folder)
        files = sorted(path for path in (folder / "8").rglob("*") if path.is_file())
        victim = files[round % len(files)]
        damage(victim, rng)
        number, notes = newest(folder)
        assert number == 7
        assert len(notes) == 1
        assert notes[0].startswith("checkpoint 8 is damaged (")
        assert victim.name in notes[0] or victim.name == "manifest.json"
        assert notes[0].endswith("), went back to 7")


@pytest.mark.parametrize("manifest", ["[]", "null", "{}", '{"records.json": 3}'])
def test_a_manifest_that_is_none(tmp_path: Path, manifest: str) -> None:
    filled(tmp_path, 1, 2)
    (tmp_path / "2" / "manifest.json").write_text(manifest)
    assert newest(tmp_path)[0] == 1


def test_unknown_files_are_damage(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2)
    (tmp_path / "2" / "state" / "more").write_text("")
    assert newest(tmp_path) == (1, ["checkpoint 2 is damaged (state/more), went back to 1"])


def test_all_damaged(tmp_path: Path) -> None:
    checkpoints = filled(tmp_path, 7, 8)
    (tmp_path / "8" / "records.json").write_text("{}")
    (tmp_path / "7" / "state" / "sizes.json").unlink()
    expected = (
        r"checkpoint 8 is damaged \(records.json\), checkpoint 7 is damaged \(state/sizes.json\); "
        r"there is no other\."
    )
    with pytest.raises(ValueError, match=expected):
        checkpoints.latest()
    assert checkpoints.notes == []


def test_damaged_ones_are_not_kept_in_place_of_good_ones(tmp_path: Path) -> None:
    filled(tmp_path, 7, 9)
    (tmp_path / "9" / "records.json").unlink()
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest() is not None
    assert names(tmp_path) == ["7", "9"]  # nothing is lost before the next one is there
    checkpoints.write(8, {"number": 8, 3: [math.inf]}, state("8"))
    assert names(tmp_path) == ["7", "8"]
    assert newest(tmp_path) == (8, [])


def test_a_damaged_one_is_written_anew(tmp_path: Path) -> None:
    filled(tmp_path, 7, 8)
    (tmp_path / "8" / "records.json").unlink()
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest() is not None
    checkpoints.write(8, {"number": 8, 3: [math.inf]}, state("8"))
    assert names(tmp_path) == ["7", "8"]
    assert newest(tmp_path) == (8, [])


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    checkpoints = filled(tmp_path, 1, 2)

    def save(path: Path) -> None:
        state()(path)
        raise error

    with pytest.raises(type(error)) as caught:
        checkpoints.write(3, {}, save)
    if isinstance(error, OSError):
        assert str(caught.value) == f"[Errno 28] No space left on device: '{tmp_path / '3'}'"
    assert names(tmp_path) == ["1", "2"]
    with pytest.raises(TypeError):
        checkpoints.write(3, {"array": np.ones(2)}, state())
    assert names(tmp_path) == ["1", "2"]
    assert newest(tmp_path) == (2, [])


KILLED = """
import os, sys, itertools
from pathlib import Path
from search.records.checkpoint import Checkpoints

def save(path):
    path.mkdir()
    for part in range(20):
        (path / str(part)).write_text(str(number) * 1000)

checkpoints = Checkpoints(Path(sys.argv[1]))
print("ready", flush=True)
for number in itertools.count(1):
    checkpoints.write(number, {"number": number}, save)
"""


@pytest.mark.slow
def test_kill_at_any_moment(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for round in range(4):
        folder = tmp_path / str(round)
        command = [sys.executable, "-c", KILLED, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            while not (folder / "2").exists():
                assert process.poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0, 0.2))
            process.kill()
        checkpoints = Checkpoints(folder)
        latest = checkpoints.latest()
        assert latest is not None
        number, records, path = latest
        assert checkpoints.notes == []
        assert number >= 2
        assert records == {"number": number}
        assert {file.read_text() for file in path.iterdir()} == {str(number) * 1000}
        assert len(list(path.iterdir())) == 20
        assert all(name.isdecimal() for name in names(folder))


HELD = """
import sys
from pathlib import Path
from search.records.lock import locked

with locked(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_one_process_a_folder(tmp_path: Path) -> None:
    with locked(tmp_path):
        inside = names(tmp_path)
    assert inside == [".lock", ".pid"]
    command = [sys.executable, "-c", HELD, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        expected = f"`resume` is '{tmp_path}', but process {process.pid} is working in it; "
        with pytest.raises(ValueError, match=expected), locked(tmp_path):
            pass
        assert process.poll() is None
        (tmp_path / ".pid").write_text("")
        with pytest.raises(ValueError, match="but another process is working"), locked(tmp_path):
            pass
        os.kill(process.pid, signal.SIGKILL)
    with locked(tmp_path):
        assert (tmp_path / ".pid").read_text() == f"{os.getpid()}\n"
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        _ = 1 / 0
    expected = f"process {os.getpid()} is working"
    with locked(tmp_path), pytest.raises(ValueError, match=expected), locked(tmp_path):
        pass


def test_a_folder_that_cant_be_locked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    expected = r"file', but can't be worked in: \w+ \w+"
    with pytest.raises(ValueError, match=expected), locked(tmp_path / "file"):
        pass


def test_files_are_on_the_disk_before_they_have_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power may go at any moment: first all that is inside, then the name, then the folder."""
    steps: list[str] = []

    def rename(path: Path, to: Path) -> None:
        os.rename(path, to)
        steps.append(f"{path.name} to {to.name}")

    def save(folder: Path) -> None:
        folder.mkdir()
        (folder / "weights").touch()

    checkpoints = Checkpoints(tmp_path / "all")
    monkeypatch.setattr("search.records.checkpoint.to_disk", lambda path: steps.append(path.name))
    monkeypatch.setattr(Path, "rename", rename)
    checkpoints.write(3, {}, save)
    assert set(steps[:5]) == {"state", "weights", "records.json", "manifest.json", ".3"}
    assert steps[5:] == [".3 to 3", "all"]
