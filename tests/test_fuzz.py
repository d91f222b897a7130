"""Damaged files end in a whole record, or in one sentence that names the file and the place."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from jaxrnn.data.load import load_data, read_data
from jaxrnn.data.records import PARTS, LabelledTexts, LongText, PianoRolls, Sequences, TimeSeries
from jaxrnn.data.split import Split

TEXT_OF = {
    "wide.csv": "writer,t0,label,t1,t2\n" + "ann,1,x,2,3\nbob,4,y,5.5,6e2\n" * 3,
    "long.csv": "g,t,x,y\n" + "".join(f"{k // 3},{k},{k % 5},{k // 6}\n" for k in range(12)),
    "series.csv": "t,x,y\n" + "".join(f"2020-01-{k:02},{k * k},{k}.5\n" for k in range(1, 9)),
    "texts.csv": 'text,label\n"Who, then?",a\nwhat,b\n"say ""no""",a\n',
    "some.ts": "#c\n@dimensions 2\n@classLabel true 1 2\n@data\n" + "1,2.5:3,4:1\n5:6:2\n" * 3,
    "some.arff": "@relation r\n@attribute a numeric\n@attribute b numeric\n@attribute c {1,2}\n"
    "@data\n" + "1,2.5,1\n3,4,2\n" * 3,
    "deep.arff": "@relation r\n@attribute m relational\n@attribute a numeric\n"
    "@attribute b numeric\n@end m\n@attribute c {1,2}\n@data\n" + r"'1,2\n3,4',1" + "\n",
    "some.json": json.dumps({"train": [[[60, 64], [], [70]]], "test": [[[60], [61]]]}),
    "some.txt": "Once upon\na time ☃\n",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "wide.csv": {"target": "label", "group": "writer"},
    "long.csv": {"target": "y", "group": "g", "time": "t"},
    "series.csv": {"time": "t", "target": "y", "forecast": True},
    "texts.csv": {"target": "label"},
    "wide.parquet": {"target": "label", "group": "writer"},
}
TOKENS = (
    *("", " ", "\n", "\n\n", "\r", "\0", '"', "'", "\\", ",", ";", ":", "\t", "|", "%", "#", "@"),
    *("?", "NA", "nan", "NaN", "inf", "-", "x", "true", "1e999", "-1e308", "9" * 400, "9" * 5000),
    *("1", "0", "-1", "0.5", "1_0", "٣", "é", "\ufeff", "\u2028", "[", "]", "{", "}", "null"),
    *("@data", "@data\n", "split", "train", "2020-01-01", "01/02/2020", "@missing true\n"),
)


def binary() -> dict[str, bytes]:
    """Whole files of the formats that are no text."""
    streams = {name: io.BytesIO() for name in ("some.npz", "some.mat", "wide.parquet", "rolls.npz")}
    np.savez(streams["some.npz"], X=np.ones((4, 2, 1)), y=np.array(list("abab")))
    cell = np.empty((1, 1), object)
    cell[0, 0] = np.eye(3)
    savemat(streams["some.mat"], {"traindata": cell, "testdata": cell})
    frame = pd.read_csv(io.StringIO(TEXT_OF["wide.csv"]))
    frame.to_parquet(streams["wide.parquet"])
    bits = np.zeros((4, 2), np.uint8)
    np.savez(
        streams["rolls.npz"], train_packed=bits, train_len=[2, 2], test_packed=bits, test_len=[4]
    )
    return {name: stream.getvalue() for name, stream in streams.items()}


FILES = {name: text.encode() for name, text in TEXT_OF.items()} | binary()
SAFE = [name for name in FILES if not name.endswith(".mat")]
"""SciPy's compiled reader ends the process at some overwritten bytes of a `.mat` file."""


def whole(raw: object) -> None:
    """A record keeps what `raw.py` promises."""
    if isinstance(raw, LongText):
        assert raw.text.strip()
    elif isinstance(raw, TimeSeries):
        assert raw.values.shape[1] == len(raw.names) and len(raw.values)
        assert not np.isinf(raw.values).any() and set(raw.targets) <= set(raw.names)
    elif isinstance(raw, PianoRolls):
        assert raw.parts is not None and len(raw.parts) == len(raw.rolls)
        assert all(len(roll) > 1 and np.isin(roll, (0, 1)).all() for roll in raw.rolls)
    else:
        assert isinstance(raw, Sequences | LabelledTexts)
        assert 0 < len(raw.inputs) == len(raw.targets) and raw.targets.dtype.kind in "biufU"
        assert raw.groups is None or len(raw.groups) == len(raw.targets)
        assert raw.parts is None or set(raw.parts) <= set(PARTS)
    if isinstance(raw, Sequences):
        assert raw.lengths.shape == raw.inputs.shape[:1] and raw.lengths.min() > 0
        true = np.arange(raw.inputs.shape[1]) < raw.lengths[:, None]
        assert raw.inputs.ndim == 3 and np.isfinite(raw.inputs[true]).all()


def outcome(path: Path, **options: Any) -> str:
    """The sentence that a file is refused with, "" if it is read."""
    try:
        raw = read_data(path, **options)
    except ValueError as error:
        message = str(error)
        assert str(path) in message or message.startswith("`"), message
        assert (
            message.endswith(".") and "\n" not in message and len(message) < 600 + len(str(path))
        ), message
        return message
    whole(raw)
    return ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_read(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(FILES[name])
    assert outcome(path, **OPTIONS.get(name, {})) == ""


@pytest.mark.parametrize("name", SAFE)
@given(draw=st.data())
@settings(max_examples=80)
def test_damaged_files(folder: Path, name: str, draw: st.DataObject) -> None:
    """Truncated, overwritten, or with what doesn't belong there, up to three times."""
    content, path = FILES[name], folder / f"damaged-{name}"
    for _ in range(draw.draw(st.integers(1, 3))):
        start = draw.draw(st.integers(0, len(content)))
        end = draw.draw(st.sampled_from((start, start + 1, start + 3, len(content))))
        token = draw.draw(st.sampled_from(TOKENS).map(str.encode) | st.binary(max_size=4))
        content = content[:start] + token + content[end:]
    path.write_bytes(content)
    outcome(path, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", FILES)
def test_truncated_files(folder: Path, name: str) -> None:
    """At every byte, but for large files at some."""
    content, path = FILES[name], folder / f"truncated-{name}"
    for length in range(0, len(content), 1 + len(content) // 600):
        path.write_bytes(content[:length])
        message = outcome(path, **OPTIONS.get(name, {}))
        assert message or name in TEXT_OF, length


@pytest.mark.parametrize("name", TEXT_OF)
@given(draw=st.data())
@settings(max_examples=50)
def test_wrong_delimiters(folder: Path, name: str, draw: st.DataObject) -> None:
    wrong = draw.draw(st.sampled_from((";", "\t", " ", "|", "", ",,")))
    text = TEXT_OF[name].replace(draw.draw(st.sampled_from((",", ":", "\n", '"', "["))), wrong)
    path = folder / f"wrong-{name}"
    path.write_text(text)
    outcome(path, **OPTIONS.get(name, {}))


LARGE = {  # labels are words: one that is damaged to 0.5 would make numbers of all
    "wide.csv": "who,a,b,c,y\n"
    + "".join(f"{k // 2},{k},{k * k},1,{'ny'[k % 2]}\n" for k in range(40)),
    "series.csv": "x,y\n" + "".join(f"{k * k},{k}.5\n" for k in range(60)),
    "texts.csv": "text,y\n" + "".join(f"word{k % 7} and {k},{'ny'[k % 2]}\n" for k in range(40)),
    "some.ts": "@classLabel true 1 2\n@data\n" + "1,2.5:3,4:1\n5:6:2\n" * 20,
    "some.json": json.dumps({"train": [[[60], [k + 60]] for k in range(9)], "test": [[[60]] * 3]}),
    "some.txt": "Once upon a time. " * 60,
}
MORE: dict[str, dict[str, Any]] = {
    "wide.csv": {"target": "y"},
    "series.csv": {"look_back": 3, "horizon": 2},
    "texts.csv": {"target": "y"},
}


@pytest.mark.parametrize("name", LARGE)
@given(draw=st.data())
@settings(max_examples=40)
def test_damaged_files_end_in_data_or_a_sentence(
    folder: Path, name: str, draw: st.DataObject
) -> None:
    content, path = LARGE[name].encode(), folder / f"large-{name}"
    path.write_bytes(content)
    kind = load_data(path, **MORE.get(name, {})).task.name
    start = draw.draw(st.integers(0, len(content)))
    token = draw.draw(st.sampled_from(TOKENS)).encode()
    path.write_bytes(content[:start] + token + content[start + draw.draw(st.integers(0, 2)) :])
    try:
        data = load_data(path, **MORE.get(name, {}))
    except ValueError as error:
        message = str(error)
        assert message.endswith(".") and "\n" not in message, message
        return
    assert data.task.name == kind
    for part in (data.train, data.validation, data.test):
        assert isinstance(part, Split) and len(part) and np.isfinite(part.inputs).all()


@given(st.binary(max_size=200), st.sampled_from(SAFE))
@settings(max_examples=200)
def test_other_bytes(folder: Path, content: bytes, name: str) -> None:
    path = folder / f"other-{name}"
    path.write_bytes(content)
    message = outcome(path, **OPTIONS.get(name, {}))
    assert message or name == "some.txt"


ROWS, COLUMNS = 6, 4
BAD = st.sampled_from(("", "x", "NaN", "NA", "?", "inf", "-inf", "1e999", "1,5e", "٣x", "0x1A"))


@given(st.integers(0, ROWS - 1), st.integers(0, COLUMNS - 1), BAD, st.integers(0, 3))
def test_a_bad_cell_is_found(folder: Path, row: int, column: int, bad: str, blank: int) -> None:
    """By line and column, also behind blank lines and quoted line feeds."""
    cells = [[f'"{k}\n"' if k == 0 else str(k) for k in range(COLUMNS)] for _ in range(ROWS)]
    cells[row][column] = f'"{bad}"'
    lines = [",".join([*one, "y"]) for one in cells]
    header = ",".join([*(f"c{k}" for k in range(COLUMNS)), "label"])
    lines[row] = "\n" * blank + lines[row]
    path = folder / "cell.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    message = outcome(path, target="label")
    line = 3 + 2 * row + blank - (column == 0)
    assert f"line {line}, column 'c{column}' holds" in message, message


@given(st.integers(0, ROWS - 1), st.integers(0, COLUMNS - 1), BAD)
def test_a_bad_step_is_found(folder: Path, row: int, step: int, bad: str) -> None:
    """By line, in both formats of the archives; a step missing at the end of ARFF's is none."""
    cells = [[str(k) for k in range(COLUMNS)] for _ in range(ROWS)]
    cells[row][step] = bad
    rows = [",".join(one) for one in cells]
    ts, arff = folder / "step.ts", folder / "step.arff"
    ts.write_text("@classLabel true a\n@data\n" + "".join(f"{one}:a\n" for one in rows))
    assert f"line {3 + row} holds" in outcome(ts)
    attributes = "".join(f"@attribute a{k} numeric\n" for k in range(COLUMNS))
    start = f"@relation r\n{attributes}@attribute label {{a}}\n@data\n"
    arff.write_text(start + "".join(f"{one},a\n" for one in rows))
    message = outcome(arff)
    if bad in ("?", "NaN") and step == COLUMNS - 1:
        assert not message
    else:
        assert f"line {start.count(chr(10)) + row + 1} " in message, message


@given(st.integers(0, ROWS - 1), st.integers(-2, 2).filter(bool), st.sampled_from(("ts", "csv")))
def test_unequal_lengths_are_found(folder: Path, row: int, more: int, ending: str) -> None:
    rows = ["1,2,3"] * ROWS
    rows[row] = ",".join(["1"] * (3 + more))
    path = folder / f"lengths.{ending}"
    if ending == "ts":
        text = "@seriesLength 3\n@classLabel true a\n@data\n" + "".join(f"{r}:a\n" for r in rows)
        path.write_text(text)
        assert f"line {4 + row} has {3 + more} steps, but must have 3" in outcome(path)
    else:
        path.write_text("p,q,r,y\n" + "".join(f"{r},a\n" for r in rows))
        assert f"line {2 + row} has {4 + more} fields" in outcome(path, target="y")


@given(st.integers(0, ROWS - 1), st.sampled_from(("csv", "ts", "arff", "txt", "json")))
def test_other_encodings_are_found(folder: Path, row: int, ending: str) -> None:
    path = folder / f"latin.{ending}"
    lines = [b"1,2,3"] * ROWS
    lines[row] = "café".encode("latin-1")
    path.write_bytes(b"\n".join(lines))
    assert f"line {row + 1} holds bytes that are no text" in outcome(path)
