"""Readers: every format from a small file, every message, and real files where there are some."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from jaxrnn.data.dataset import Data
from jaxrnn.data.load import GENERATED, READERS, load_data, read_data
from jaxrnn.data.records import LabelledTexts, LongText, PianoRolls, Sequences, TimeSeries
from jaxrnn.data.split import Split

ROOT = Path(__file__).resolve().parent.parent
REAL = ROOT / os.environ.get("JAXRNN_DATA", "../shared/data")


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """A file of that content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def sequences(source: Any, **options: Any) -> Sequences:
    raw = read_data(source, **options)
    assert isinstance(raw, Sequences)
    assert raw.inputs.dtype == np.float64
    assert len(raw.inputs) == len(raw.lengths) == len(raw.targets)
    return raw


def series(source: Any, **options: Any) -> TimeSeries:
    raw = read_data(source, forecast=True, **options)
    assert isinstance(raw, TimeSeries)
    return raw


def shape(data: Data) -> tuple[int, ...]:
    """Of what the training part reads."""
    assert isinstance(data.train, Split)
    return data.train.inputs.shape


def refused(source: Any, **options: Any) -> str:
    """The sentence that it is refused with."""
    with pytest.raises(ValueError) as error:
        read_data(source, **options)
    message = str(error.value)
    assert message.endswith(".") and "\n" not in message, message
    return message


# NumPy's archives


def test_npz_of_samples(tmp_path: Path) -> None:
    x, y = np.arange(24.0).reshape(4, 3, 2), np.array(["a", "b", "a", "b"])
    x[1, 2:] = np.nan  # behind its length
    groups, lengths = np.array([7, 7, 8, 8]), np.array([3, 2, 3, 3])
    np.savez(tmp_path / "all.npz", X=x, y=y, lengths=lengths, groups=groups)
    raw = sequences(tmp_path / "all.npz")
    np.testing.assert_array_equal(raw.inputs, x)
    assert raw.targets.tolist() == y.tolist() and raw.name == "all" and raw.parts is None
    assert raw.lengths.tolist() == lengths.tolist()
    assert raw.groups is not None and raw.groups.tolist() == [7, 7, 8, 8]
    np.savez(tmp_path / "bytes.npz", X=np.nan_to_num(x).astype(np.int8), y=y.astype("S"))
    assert sequences(tmp_path / "bytes.npz").targets.tolist() == ["a", "b", "a", "b"]


@pytest.mark.parametrize("steps", [True, False])
@pytest.mark.parametrize("ending", [".npz", ".npy"])
def test_parts_may_differ_in_time(tmp_path: Path, ending: str, steps: bool) -> None:
    """Inputs and labels of every step are padded to the longest; validation may be missing."""
    arrays = {}
    for part, samples, time in (("train", 3, 2), ("test", 2, 5)):
        arrays[f"X_{part}"] = np.full((samples, time, 1), time)
        arrays[f"y_{part}"] = np.ones((samples, time) if steps else samples, int)
    if ending == ".npz":
        path = tmp_path / "pen.npz"
        np.savez(path, **arrays)
    else:
        path = tmp_path / "pen_X_train.npy"
        for name, array in arrays.items():
            np.save(tmp_path / f"pen_{name}.npy", array)
        np.save(tmp_path / "pen_X.npy", np.ones(3))  # of another family
    raw = sequences(path)
    assert raw.lengths.tolist() == [2, 2, 2, 5, 5]
    assert raw.parts is not None and raw.parts.tolist() == ["train"] * 3 + ["test"] * 2
    assert raw.inputs[..., 0].sum(1).tolist() == [4, 4, 4, 25, 25]
    assert raw.inputs.shape == (5, 5, 1)
    assert (raw.targets.sum(1).tolist() == [2, 2, 2, 5, 5]) if steps else raw.targets.ndim == 1


def test_parts_may_have_values_and_groups(tmp_path: Path) -> None:
    """As many values as one part has steps are not one for each of them."""
    arrays = {
        "X_train": np.ones((3, 2, 1)),
        "X_test": np.ones((1, 5, 1)),
        "y_train": np.full((3, 2), 0.5),
        "y_test": np.full((1, 2), 1.5),
        "groups_train": np.array([4, 4, 5]),
        "groups_test": np.array([6]),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    raw = sequences(tmp_path / "a.npz")
    assert raw.targets.tolist() == [[0.5, 0.5]] * 3 + [[1.5, 1.5]]
    assert raw.groups is not None and raw.groups.tolist() == [4, 4, 5, 6]
    del arrays["groups_test"]
    np.savez(tmp_path / "a.npz", **arrays)
    assert "must hold `groups_...` for all of its parts" in refused(tmp_path / "a.npz")


def test_npy_finds_the_labels_beside_it(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.ones((2, 3, 1)))
    np.save(tmp_path / "y.npy", np.array([0.5, 2.5]))
    np.save(tmp_path / "lengths.npy", np.array([1, 3]))
    raw = sequences(tmp_path / "X.npy")
    assert raw.targets.tolist() == [0.5, 2.5] and raw.lengths.tolist() == [1, 3]


def test_archives_are_refused_with_a_sentence(tmp_path: Path) -> None:
    x, y = np.ones((4, 3, 1)), np.arange(4)
    path = tmp_path / "a.npz"

    def why(**arrays: Any) -> str:
        np.savez(path, **arrays)
        message = refused(path)
        assert str(path) in message
        return message

    assert "holds x, y, but must hold X and y, or X_train" in why(x=x, y=y)
    assert "`y` targets" in why(X=x, y=np.arange(3))
    assert "`X` inputs" in why(X=x[..., 0], y=y)
    assert "sample 2 holds NaN" in why(X=np.where(np.arange(4) == 2, np.nan, x.T).T, y=y)
    assert "`lengths`" in why(X=x, y=y, lengths=y) or "`X` lengths" in why(X=x, y=y, lengths=y)
    assert "`groups` is (4, 1), but must be one per sample" in why(X=x, y=y, groups=y[:, None])
    assert "(for text in Python objects" in why(X=x, y=np.array([{}] * 4))
    fixed = {"X_train": x, "y_train": y, "X_test": x, "y_test": y}
    assert "`y_test` holds text, but must hold numbers as `y_train`" in why(
        **fixed | {"y_test": y.astype(str)}
    )
    assert "`X_test` holds 2 features, but must hold 1 features" in why(
        **fixed | {"X_test": np.ones((4, 3, 2))}
    )
    assert "`y_validation` targets" in why(**fixed, X_validation=x)
    assert "`X_validation` inputs" in why(**fixed, y_validation=y)
    path.write_bytes(path.read_bytes()[:-30])
    assert "must be a file made by `numpy.savez`" in refused(path)
    np.save(tmp_path / "other.npy", x)
    assert "must be named ...X.npy" in refused(tmp_path / "other.npy")
    np.save(tmp_path / "X.npy", x)
    assert "holds X, but must hold X and y" in refused(tmp_path / "X.npy")
    written(tmp_path, "y.npy", b"\x93NUMPY")
    assert "y.npy', but must be a file made by `numpy.save`" in refused(tmp_path / "X.npy")


# Tables


def test_rows_are_sequences(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "wide.csv",
        "writer,t0,label,t1,split,t2\nann,1,x,2,train,3\nbob,4,NA,5,test,6e2\n",
    )
    raw = sequences(path, target="label", group="writer")
    assert raw.inputs[..., 0].tolist() == [[1, 2, 3], [4, 5, 600]]
    assert raw.targets.tolist() == ["x", "NA"] and raw.lengths.tolist() == [3, 3]
    assert raw.groups is not None and raw.groups.tolist() == ["ann", "bob"]
    assert raw.parts is not None and raw.parts.tolist() == ["train", "test"]
    assert raw.target_names == ("label",) and raw.name == "wide"


LONG = """piece,when,x,up,y
b,2,20,1,dog
a,1,1,0,cat
b,1,10,0,dog
a,3,3,0,cat
a,2,2,1,cat
"""


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame", "indexed"])
def test_rows_are_steps(tmp_path: Path, kind: str) -> None:
    """A group is a sequence, whatever the order of rows."""
    source: Any = written(tmp_path, "long.csv", LONG)
    if kind != "csv":
        source = pd.read_csv(source)
    if kind == "indexed":
        source = source.set_index(["piece", "when"])
    if kind == "parquet":
        source.to_parquet(tmp_path / "long.parquet")
        source = tmp_path / "long.parquet"
    raw = sequences(source, target="y", group="piece", time="when")
    assert raw.inputs.tolist() == [[[1, 0], [2, 1], [3, 0]], [[10, 0], [20, 1], [0, 0]]]
    assert raw.lengths.tolist() == [3, 2] and raw.targets.tolist() == ["cat", "dog"]
    assert raw.groups is None and raw.parts is None
    assert raw.name == ("long" if kind in ("csv", "parquet") else "frame")


def test_several_targets_and_parts_of_groups(tmp_path: Path) -> None:
    text = "g,t,x,u,v,split\n1,0,5,0.5,1,train\n1,1,6,0.5,1,train\n2,0,7,2,3,test\n"
    raw = sequences(written(tmp_path, "a.csv", text), target=("v", "u"), group="g", time="t")
    assert raw.targets.tolist() == [[1, 0.5], [3, 2]] and raw.target_names == ("v", "u")
    assert raw.parts is not None and raw.parts.tolist() == ["train", "test"]


@pytest.mark.parametrize("missing", ["", "1,?\n"])
def test_numbers_are_the_nearest_ones(tmp_path: Path, missing: str) -> None:
    """Whatever pandas is installed, and whether or not the column is text to it."""
    texts = ["0.3066101993807095471566981359501369297504425048828125", "-1.7976931348623157e308"]
    texts += ["99999999999999999999999.5", "123456789.123456789123456789", " +.5", "1E-400"]
    texts += ["9" * 30]
    path = written(tmp_path, "a.csv", "b,a\n" + "".join(f"1,{one}\n" for one in texts) + missing)
    values = series(path).values[:, 1]
    assert values[: len(texts)].tolist() == [float(text) for text in texts]
    assert np.isnan(values[len(texts) :]).all()


@pytest.mark.parametrize("text", ["1_0", "0x10", "1d5", "٣", "1,5", "nan x", "True", "1 2"])
def test_no_numbers(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, "a.csv", f'a,y\n1,1\n"{text}",2\n')
    assert "line 3, column 'a' holds" in refused(path, target="y")


def test_labels_of_a_table_keep_their_kind(tmp_path: Path) -> None:
    for fields, wanted in ((["7", "-1"], [7, -1]), (["0.5", "1"], [0.5, 1.0])):
        path = written(tmp_path, "a.csv", f"a,y\n1,{fields[0]}\n2,{fields[1]}\n")
        assert sequences(path, target="y").targets.tolist() == wanted
    path = written(tmp_path, "a.csv", "a,y\n1,True\n2,False\n")
    assert sequences(path, target="y").targets.tolist() == [True, False]
    path = written(tmp_path, "a.csv", "a,y\n1,1_0\n2,20\n")
    assert sequences(path, target="y").targets.tolist() == ["1_0", "20"]


def test_rows_are_points_of_a_series(tmp_path: Path) -> None:
    text = "date,a,b\n2020-01-02,3,\n2020-01-01,1,NaN\n2020-01-01 12:00:00,2,6\n"
    raw = series(written(tmp_path, "s.csv", text), time="date", target="b")
    np.testing.assert_array_equal(raw.values, [[1, np.nan], [2, 6], [3, np.nan]])
    assert raw.names == ("a", "b") and raw.targets == ("b",) and raw.series is None
    many = "s,t,a\ny,1,1\nx,2,4\ny,0,0\nx,1,3\n"
    raw = series(written(tmp_path, "m.csv", many), time="t", group="s")
    assert raw.values[:, 0].tolist() == [3, 4, 0, 1] and raw.targets == ("a",)
    assert raw.series is not None and raw.series.tolist() == ["x", "x", "y", "y"]
    assert series(written(tmp_path, "m.csv", "a\n3\n1\n2\n")).values[:, 0].tolist() == [3, 1, 2]


def test_rows_are_texts(tmp_path: Path) -> None:
    text = 'what,kind\n"Who, then?",who\n1984,when\n"two\nlines",who\n'
    raw = read_data(written(tmp_path, "t.csv", text), target="kind")
    assert isinstance(raw, LabelledTexts)
    assert raw.inputs == ["Who, then?", "1984", "two\nlines"]
    assert raw.targets.tolist() == ["who", "when", "who"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "' is empty"),
        ("a,y\n", {}, "' has no rows"),
        ("a;y\n1;2\n", {}, "`target` is 'y', but must be a column of"),
        ("a,y\n1,2\n1,2,3\n", {}, "line 3 has 3 fields, but must have 2"),
        ("a,y\n1,2,3\n1,2,3\n", {}, "line 2 has 3 fields, but must have 2"),
        ("a,y\n1,2\n\n1\n", {}, "line 4 has 1 fields, but must have 2"),
        ('a,y\n1,2\n"1,2\n', {}, "line 3 is no line of fields between commas"),
        ("a,a,y\n1,2,3\n", {}, "has the column 'a' more than once"),
        (",a,y\n0,1,2\n", {}, "column 1 has no name, but must have one; `to_csv(index=False)`"),
        ("a,y\n1,2\n\nx,2\n", {}, "line 4, column 'a' holds 'x', but must hold a finite number"),
        ('a,b,y\n1,"\n1",2\n\nx,2,2\n', {}, "line 5, column 'a' holds 'x'"),
        ("a,y\n1,2\n,2\n", {}, "line 3, column 'a' holds nothing, but must hold a finite"),
        ("a,y\n1,2\n1e999,2\n", {}, "line 3, column 'a' holds 'inf', but must hold a finite"),
        ("a,y\n1,2\n1,\n", {}, "line 3, column 'y' holds nothing, but must hold a label"),
        ("a,y\n1,2\n1,NA\n", {}, "line 3, column 'y' holds 'NA', but must hold a label"),
        ("a,y\n1,2\n1,1e999\n", {}, "line 3, column 'y' holds 'inf'"),
        ("a,y\n1,2\n1," + "9" * 30, {}, "line 3, column 'y' holds '999999"),
        ("y\n1\n", {}, "has no columns left"),
        ("a,y\n1,2\n", {"target": None}, "`target` is missing, but must name the column"),
        ("a,y\n1,2\n", {"time": "a"}, "`time` is 'a', but orders the rows of a sequence"),
        ("a,y\n1,2\n", {"group": "y"}, "`group` is 'y', but that is `target` already"),
        ("a,y,split\n1,2,tset\n", {}, "line 2, column 'split' holds 'tset', but must hold one of"),
        ("d,a,y\n2016-07-01,1,2\n", {}, "(a column of dates is named by `time`)"),
        (
            LONG.replace("a,2,2,1,cat", "a,2,2,1,cow"),
            {"group": "piece", "time": "when"},
            "line 6, column 'y' holds 'cow', but must hold one value for all rows of 'piece' 'a'",
        ),
        (
            LONG.replace("a,2,", "a,3,"),
            {"group": "piece", "time": "when"},
            "line 6, column 'when' holds '3', but must hold a time that no other row of 'a' holds",
        ),
        (
            LONG.replace("a,2,", "a,01/02/2016,"),
            {"group": "piece", "time": "when"},
            "column 'when' holds '2', but must hold a number or a date such as",
        ),
        ("a,y\n1,2\ninf,3\n", {"forecast": True}, "line 3, column 'a' holds 'inf'"),
        ("a,y\n1,2\nx,3\n", {"forecast": True}, "line 3, column 'a' holds 'x'"),
    ],
)
def test_tables_are_refused_with_a_sentence(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, "bad.csv", text)
    found = refused(path, **{"target": "y"} | options)
    assert message in found
    assert str(path) in found or found.startswith("`")


def test_frames_are_refused_by_row() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan], "y": [0, 1]})
    assert refused(frame, target="y").startswith("the frame, row 1, column 'a' holds nothing")
    frame["a"] = [1, "b"]
    assert "row 1, column 'a' holds 'b'" in refused(frame, target="y")
    assert "row 1, column 'a' holds 'b', but must hold what" in refused(frame, target="a")
    frame["a"] = [[1], {}]
    assert "row 0, column 'a' holds '[1]'" in refused(frame, target="a")
    assert "has no rows" in refused(frame[:0], target="a")


def test_damaged_parquet(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1.0, 2], "y": [0, 1]}).to_parquet(tmp_path / "a.parquet")
    path = written(tmp_path, "b.parquet", (tmp_path / "a.parquet").read_bytes()[:-20])
    assert "must be a whole Parquet file" in refused(path, target="y")


# The archives of UCR and UEA

TS = """#About
@problemName P
@univariate false
@dimensions 2
@equalLength false
@classLabel true 1 10 2
@data
1,2,3:4,5,6:10
-1,1e-3:7,8:2
"""


def test_ts(tmp_path: Path) -> None:
    path = written(tmp_path, "P.ts", TS)
    raw = sequences(path)
    assert raw.inputs.tolist() == [[[1, 4], [2, 5], [3, 6]], [[-1, 7], [0.001, 8], [0, 0]]]
    assert raw.lengths.tolist() == [3, 2] and raw.targets.tolist() == [10, 2]
    assert raw.parts is None and raw.name == "P"
    train = written(tmp_path, "P_TRAIN.ts", TS)
    assert sequences(train).parts is None
    written(tmp_path, "P_TEST.ts", TS.replace("-1,1e-3:7,8:2", "5:6:1"))
    assert sequences(path).parts is None  # P.ts is no P_TRAIN.ts
    raw = sequences(train)
    assert raw.parts is not None and raw.parts.tolist() == ["train"] * 2 + ["test"] * 2
    assert raw.lengths.tolist() == [3, 2, 3, 1] and raw.targets.tolist() == [10, 2, 10, 1]
    assert raw.name == "P"
    values = TS.replace("@classLabel true 1 10 2", "@targetLabel true").replace(":2\n", ":2.5\n")
    assert sequences(written(tmp_path, "v.ts", values)).targets.tolist() == [10, 2.5]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("@data\n", "", "line 7 starts with '1,2,3"),
        (TS[TS.index("@data") :], "", "has no line `@data`"),
        (TS[TS.index("1,2,3") :], "", "has no sequences behind line 7"),
        ("@classLabel true 1 10 2", "@classLabel false", "has neither `@classLabel true`"),
        ("@univariate false", "@timeStamps true", "line 3 announces time stamps"),
        ("7,8:", "", "line 9 has 1 variables, but must have 2 as line 4 says"),
        ("7,8:", "7:", "line 9 has variables of 2, 1 steps"),
        ("7,8:2", "7,8:3", "line 9 has the label '3', but only those of line 6"),
        ("7,8:2", "7,", "line 9 has 1 variables"),
        ("7,8:", "7,?:", "line 9 holds a missing or infinite value in step 2 of variable 2"),
        ("7,8:", "7,1e999:", "line 9 holds a missing or infinite value in step 2"),
        ("7,8:", "7,x:", "line 9 holds 'x' in step 2, but must hold a number"),
        ("7,8:", "7,:", "line 9 holds '' in step 2"),
        ("@equalLength false", "@seriesLength 3", "line 9 has 2 steps, but must have 3 as line 5"),
    ],
)
def test_ts_is_refused_with_a_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TS
    path = written(tmp_path, "bad.ts", TS.replace(old, new))
    found = refused(path)
    assert message in found and str(path) in found


@pytest.mark.parametrize("value", ["?", "1,2", "inf"])
def test_values_in_ts_must_be_numbers(tmp_path: Path, value: str) -> None:
    path = written(tmp_path, "v.ts", f"@targetLabel true\n@data\n1,2:{value}\n")
    assert "line 3 ends in" in refused(path)


ARFF = """% About
@relation 'P'
@attribute att0 numeric
@attribute att1 numeric
@attribute target {1,10}

@data
1.5,2,10

3,?,1
"""
RELATIONAL = r"""@relation 'P'
@attribute rel relational
@attribute att0 numeric
@attribute att1 numeric
@end rel
@attribute act {a,'b c'}
@data
'1,2\n3,4\n5,6',a
'1,?\n3,?\n5,?','b c'
"""


def test_arff(tmp_path: Path) -> None:
    raw = sequences(written(tmp_path, "P.arff", ARFF))
    assert raw.inputs.tolist() == [[[1.5], [2]], [[3], [0]]] and raw.targets.tolist() == [10, 1]
    assert raw.lengths.tolist() == [2, 1]
    raw = sequences(written(tmp_path, "P.arff", RELATIONAL))
    assert raw.inputs.tolist() == [[[1, 3, 5], [2, 4, 6]], [[1, 3, 5], [0, 0, 0]]]
    assert raw.lengths.tolist() == [2, 1] and raw.targets.tolist() == ["a", "b c"]
    train = written(tmp_path, "P_train.arff", ARFF)
    written(tmp_path, "P_test.arff", ARFF)
    assert sequences(train).name == "P" and len(sequences(train).targets) == 4


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (ARFF, ARFF[ARFF.index("@data") :], "", "line 7 can't be read as ARFF: it ends before"),
        (ARFF, "3,?,1", "x,2,1", "line 10 can't be read as ARFF: could not convert"),
        (ARFF, "3,?,1", "3,1", "line 10 can't be read as ARFF: it has fewer values"),
        (ARFF, "3,?,1", "3,4,1,7", "line 10 must hold as many values as there are attributes"),
        (ARFF, "3,?,1", "?,3,1", "line 10 holds a missing or infinite value in step 1"),
        (ARFF, "3,?,1", "?,?,1", "line 10 has 0 steps of 1 variables"),
        (ARFF, "att1 numeric", "att1 string", "can't be read as ARFF: String attributes"),
        (ARFF, "att1 numeric", "att1 {2,?}", "line 8 holds text or dates before its label"),
        (ARFF, ARFF[ARFF.index("1.5") :], "", "3 attributes and 0 sequences"),
        (RELATIONAL, r"5,?'", r"5,?,7'", "line 9 must hold as many values"),
        (RELATIONAL, r"1,?\n", r"?,1\n", "line 9 holds a missing or infinite value in step 1"),
        (RELATIONAL, r"\n5,?'", "'", "line 9 has 1 steps of 2 variables"),
    ],
)
def test_arff_is_refused_with_a_line(
    tmp_path: Path, text: str, old: str, new: str, message: str
) -> None:
    assert old in text
    path = written(tmp_path, "bad.arff", text.replace(old, new))
    found = refused(path)
    assert message in found and str(path) in found


def test_numbers_to_predict_in_arff_must_be_there(tmp_path: Path) -> None:
    text = ARFF.replace("{1,10}", "numeric").replace("3,?,1", "3,4,?")
    message = "line 10 ends in nan, but must end in a finite number."
    assert message in refused(written(tmp_path, "bad.arff", text))


# Piano rolls

FRAMES = {"train": [[[60, 64], []], [[21], [108], [21]]], "test": [[[60], [60]]]}


def piano(piece: list[list[int]]) -> np.ndarray:
    return np.array([[pitch in frame for pitch in range(21, 109)] for frame in piece], np.uint8)


@pytest.mark.parametrize("ending", [".json", ".mat", ".npz"])
def test_rolls(tmp_path: Path, ending: str) -> None:
    """All three formats hold the same pieces; validation may be missing."""
    path = tmp_path / f"bach{ending}"
    rolls = {part: [piano(piece) for piece in pieces] for part, pieces in FRAMES.items()}
    if ending == ".json":
        path.write_text(json.dumps(FRAMES))
    elif ending == ".mat":
        cells = {
            f"{part}data": np.empty((1, len(pieces)), object) for part, pieces in rolls.items()
        }
        for part, pieces in rolls.items():
            for k, piece in enumerate(pieces):
                cells[f"{part}data"][0, k] = piece.astype(np.float64)
        savemat(path, cells)
    else:
        arrays = {}
        for part, pieces in rolls.items():
            arrays[f"{part}_packed"] = np.packbits(np.concatenate(pieces), axis=1)
            arrays[f"{part}_len"] = np.array([len(piece) for piece in pieces])
        np.savez(path, **arrays)
    raw = read_data(path)
    assert isinstance(raw, PianoRolls) and raw.name == "bach"
    assert raw.parts is not None and raw.parts.tolist() == ["train", "train", "test"]
    for found, piece in zip(raw.rolls, rolls["train"] + rolls["test"], strict=True):
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, piece)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1 is no JSON"),
        ('{"train":\n [[[60', "line 2, column 7 is no JSON"),
        ("[" * 100_000, "is nested too deeply"),
        ("[]", "must hold an object with `train`, `valid` and `test`"),
        ('{"train": [[[60],[60]]]}', "holds no pieces in `test`"),
        ('{"train": 1, "test": []}', "`train` must be a list of pieces"),
        ('{"train": [1], "test": []}', "piece 1 of `train` must be a list of frames"),
        ('{"train": [[[60], 7]]}', "piece 1 of `train`, frame 2 holds '7'"),
        ('{"train": [[[60], [61, 20]]]}', "piece 1 of `train`, frame 2 holds '20'"),
        ('{"train": [[[true]]]}', "piece 1 of `train`, frame 1 holds 'True'"),
        ('{"train": [[[60]]], "test": [[[60]]]}', "piece 1 of `train` has the shape (1, 88)"),
        ('{"train": [[[' + "9" * 5000 + "]]]}", "holds too long a number"),
    ],
)
def test_json_is_refused_with_a_place(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, "bad.json", text)
    found = refused(path)
    assert message in found and str(path) in found


def test_other_rolls_are_refused(tmp_path: Path) -> None:
    packed, mat = tmp_path / "r.npz", tmp_path / "r.mat"
    bits = np.zeros((5, 2), np.uint8)
    np.savez(packed, train_packed=bits, train_len=[2, 2], test_packed=bits, test_len=[5])
    assert "`train_len` must be positive and add up to the 5 frames" in refused(packed)
    np.savez(packed, train_packed=bits.astype(int), train_len=[5])
    assert "must be uint8 (frames, bytes)" in refused(packed)
    np.savez(packed, train_packed=bits, train_len=[5], test_len=[5], test_packed=bits, valid_len=5)
    assert "must hold `valid_packed` and `valid_len`, but holds only one" in refused(packed)
    savemat(mat, {"traindata": np.ones((3, 3))})
    assert "`traindata` is float64, but must be a cell" in refused(mat)
    cell = np.empty((1, 1), object)
    cell[0, 0] = np.full((3, 4), 2.0)
    savemat(mat, {"traindata": cell, "testdata": cell})
    assert "piece 1 of `train` holds other values than 0 and 1" in refused(mat)
    mat.write_bytes(mat.read_bytes()[:150])
    assert "must be a MATLAB file" in refused(mat)


# Text, and what no reader sees


def test_text(tmp_path: Path) -> None:
    raw = read_data(written(tmp_path, "a.txt", "\ufeffAh,\r\nso ☃\n"))
    assert isinstance(raw, LongText)
    assert (raw.name, raw.text) == ("a", "Ah,\nso ☃\n")


def test_sources_are_refused_with_a_sentence(tmp_path: Path) -> None:
    known = "'temporal-order', or the path of a file that ends in .npz, .npy, .csv"
    assert known in refused("digit") and known in refused(tmp_path / "a.xlsx")
    for ending in READERS:
        assert "there is no such file" in refused(tmp_path / f"none{ending}")
        (tmp_path / f"folder{ending}").mkdir()
        assert "is a folder" in refused(str(tmp_path / f"folder{ending}"))
        if ending not in (".csv", ".parquet"):
            path = written(tmp_path, f"some{ending}", "")
            assert "`group` is 'who', but names a column" in refused(path, group="who")
            assert "`target` is 'y', but names a column" in refused(path, target="y")
    assert "there is no such file" in refused("a" * 5000 + ".csv")
    assert "there is no such file" in refused("\0.csv")
    assert "is empty, but must hold text" in refused(written(tmp_path, "blank.txt", "\n \n"))
    for ending in (".txt", ".csv", ".ts", ".arff", ".json"):
        path = written(tmp_path, f"latin{ending}", "a,b\ncaf\xe9".encode("latin-1"))
        assert "line 2 holds bytes that are no text; save the file as UTF-8" in refused(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads whatever there is")
def test_unreadable_file(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "secret")
    path.chmod(0)
    assert "can't be read: Permission denied" in refused(path)


# From a source to data


@pytest.mark.parametrize("name", GENERATED)
def test_names(name: str) -> None:
    one, same, other = load_data(name), load_data(name, seed=0), load_data(name, seed=1)
    assert one.name == name and len(one.validation) > 100
    np.testing.assert_array_equal(one.test.inputs, same.test.inputs)
    assert not np.array_equal(one.test.inputs, other.test.inputs)
    options = {"task": "x", "target": "x", "group": "x", "time": "x", "unit": "x"}
    for option, value in (options | {"look_back": 7, "horizon": 7, "block": 7}).items():
        sentence = f"`{option}` is {value!r}, but has no meaning for '{name}'"
        with pytest.raises(ValueError, match=sentence):
            load_data(name, **{option: value})  # pyright: ignore[reportArgumentType]
    with pytest.raises(
        ValueError, match="`target` is 7, but must be the name of a column, as text"
    ):
        load_data(name, target=7)  # pyright: ignore[reportArgumentType]
    assert len(load_data(name, split=(0.8, 0.1, 0.1)).train) > len(one.train)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (None, {}, "`data` is NoneType, but must be a name, the path of a file, or a pandas"),
        ((np.zeros((9, 2, 1)), np.arange(9)), {}, "`jaxrnn.from_arrays` takes arrays."),
        (str(ROOT / "tests"), {}, "but is a folder; name a file in it."),
        ("digits", {"seed": 1.5}, "`seed` is 1.5, but must be a whole number."),
        (ROOT / "tests" / "test.txt", {}, "but there is no such file."),
    ],
)
def test_sources_that_are_none(source: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        load_data(source, **options)
    assert message in str(error.value)


def test_options_reach_the_data(tmp_path: Path) -> None:
    """Each does what it says for the one kind of record that knows it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 4)), columns=list("abcd"))
    frame["who"], frame["y"] = np.arange(120) // 2, np.arange(120) % 2
    path = tmp_path / "wide.csv"
    frame.to_csv(path, index=False)
    data = load_data(path, target="y", group="who", seed=3)
    assert (data.name, data.task.name) == ("wide", "classification")
    assert shape(data) == (84, 4, 1)
    other = load_data(path, target="y", group="who", seed=4)
    assert not np.array_equal(other.test.inputs, data.test.inputs)
    regression = load_data(path, target=["y", "d"], split=(0.5, 0.25, 0.25))
    assert (regression.task.name, len(regression.train)) == ("regression", 60)
    assert load_data(path, target="y", task="regression").task.name == "regression"
    windows: Any = {"target": "b", "look_back": 5, "horizon": 2}
    series = load_data(frame.drop(columns="who"), **windows)
    assert (series.task.name, series.task.outputs) == ("forecasting", 2)
    assert shape(series) == (84 - 7 + 1, 5, 5)
    assert len(load_data(frame, **windows, reach_back=True).test) == 18 - 2 + 1
    frame["t"], frame["y"] = np.arange(120), np.arange(120) // 2 % 2
    steps = load_data(frame, target="y", group="who", time="t")
    assert shape(steps) == (42, 2, 4)
    text = load_data(written(tmp_path, "a.txt", "so it goes. " * 100), block=16)
    assert (text.task.name, shape(text)[1]) == ("language", 16)


def test_options_that_dont_fit_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "so it goes. " * 100)
    with pytest.raises(ValueError, match="`horizon` is given, but has no meaning for one long"):
        load_data(path, horizon=3)
    with pytest.raises(ValueError, match="`look_back` is given, but has no meaning for seq"):
        load_data(pd.DataFrame({"a": [1.0, 2], "y": [0, 1]}), target="y", look_back=3)


# Real files


def real(name: str) -> Path:
    """A file of the folder that the environment names, or the reason why there is none."""
    path = REAL / name
    if not path.is_file():
        pytest.skip(f"{name} is not in the folder that JAXRNN_DATA names")
    return path


@pytest.mark.parametrize(
    ("name", "shape", "parts", "classes", "shortest"),
    [
        ("gun_point/GunPoint", (200, 150, 1), (50, 150), 2, 150),
        ("italy_power_demand/ItalyPowerDemand", (1096, 24, 1), (67, 1029), 2, 24),
        ("japanese_vowels/JapaneseVowels", (640, 29, 12), (270, 370), 9, 7),
    ],
)
def test_real_ts(
    name: str, shape: tuple[int, ...], parts: tuple[int, int], classes: int, shortest: int
) -> None:
    raw = sequences(real(f"{name}_TRAIN.ts"))
    alone = sequences(real(f"{name}_TEST.ts"))
    assert raw.inputs.shape == shape and raw.parts is not None and raw.lengths.min() == shortest
    assert ((raw.parts == "train").sum(), (raw.parts == "test").sum()) == parts
    assert np.unique(raw.targets).tolist() == list(range(1, classes + 1))
    time = alone.inputs.shape[1]
    np.testing.assert_array_equal(raw.inputs[raw.parts == "test", :time], alone.inputs)
    first = real(f"{name}_TRAIN.ts").read_text().split("@data\n")[1].split("\n")[0]
    *variables, label = first.split(":")
    for feature, variable in enumerate(variables):
        steps = [float(value) for value in variable.split(",")]
        assert raw.inputs[0, : raw.lengths[0], feature].tolist() == steps
    assert raw.targets[0] == int(label)
    assert load_data(real(f"{name}_TRAIN.ts")).spec.outputs == classes


def test_real_csv() -> None:
    path = real("etth1/ETTh1.csv")
    raw = series(path, time="date", target="OT")
    expected = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(1, 8))
    np.testing.assert_array_equal(raw.values, expected)
    assert raw.values.shape == (17420, 7) and raw.targets == ("OT",)
    data = load_data(
        path, time="date", look_back=96, horizon=24, split=(8640, 2880, 2880), reach_back=True
    )
    assert [len(part) for part in (data.train, data.validation, data.test)] == [8521, 2857, 2857]
    mean, scale = expected[:8640].mean(0), expected[:8640].std(0)
    np.testing.assert_allclose(
        data.test.inputs[0], (expected[11520 - 96 : 11520] - mean) / scale, atol=1e-5
    )
    assert raw.names == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")


def test_real_rolls() -> None:
    path = real("jsb_chorales/jsb_chorales.npz")
    raw = read_data(path)
    assert isinstance(raw, PianoRolls) and raw.parts is not None
    frames = {part: 0 for part in ("train", "validation", "test")}
    for part, roll in zip(raw.parts.tolist(), raw.rolls, strict=True):
        frames[part] += len(roll)
    assert frames == {"train": 13807, "validation": 4602, "test": 4725}
    assert {roll.shape[1] for roll in raw.rolls} == {88} and len(raw.rolls) == 382
    assert len(load_data(path).validation) == 76
    bits = np.unpackbits(np.load(path)["valid_packed"], axis=1)
    np.testing.assert_array_equal(np.concatenate(raw.rolls[229:305]), bits)


def test_real_text() -> None:
    raw = read_data(real("tinyshakespeare/input.txt"))
    assert isinstance(raw, LongText)
    assert (len(raw.text), len(set(raw.text))) == (1_115_394, 65)


def test_real_pen_strokes(tmp_path: Path) -> None:
    """Files without names of columns become arrays in two lines."""
    arrays = {}
    for part, ending in (("train", "tra"), ("test", "tes")):
        rows = np.loadtxt(real(f"pendigits/pendigits.{ending}"), delimiter=",", dtype=int)
        arrays |= {f"X_{part}": rows[:, :-1].reshape(-1, 8, 2), f"y_{part}": rows[:, -1]}
    np.savez(tmp_path / "pen.npz", **arrays)
    raw = sequences(tmp_path / "pen.npz")
    assert raw.inputs.shape == (7494 + 3498, 8, 2) and len(np.unique(raw.targets)) == 10


def test_real_questions(tmp_path: Path) -> None:
    """Lines of a label and a text become a table in two lines."""
    rows = []
    for part in ("train", "test"):
        lines = real(f"trec/TREC.{part}.all").read_text(encoding="latin-1").splitlines()
        rows += [(*line.split(" ", 1), part) for line in lines]
    pd.DataFrame(rows, columns=["kind", "question", "split"]).to_csv(
        tmp_path / "trec.csv", index=False
    )
    raw = read_data(tmp_path / "trec.csv", target="kind")
    assert isinstance(raw, LabelledTexts) and raw.parts is not None
    assert load_data(tmp_path / "trec.csv", target="kind").spec.vocabulary > 5000
    assert len(raw.inputs) == 5952 and (raw.parts == "test").sum() == 500
    assert raw.inputs == [row[1] for row in rows]
    assert raw.targets.tolist() == [int(row[0]) for row in rows]
