"""Sequences and short texts, each with something to learn, become data."""

from jaxrnn.data import targets
from jaxrnn.data.checks import check_splits
from jaxrnn.data.dataset import Data
from jaxrnn.data.encoding import encode_split, encode_targets
from jaxrnn.data.records import LabelledTexts, Sequences
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.data.splitting import Constraints, Division, divide
from jaxrnn.data.vocabulary import WORD, Vocabulary


def from_sequences(record: Sequences, task: str | None, split: Division, seed: int) -> Data:
    """Divide sequences, and standardise inputs by the training part."""
    x, y, lengths = record.inputs, record.targets, record.lengths
    kind = targets.kind_of(task, y, x.shape[1])
    labels = y if kind == targets.CLASSIFICATION else None
    parts = divide(len(x), Constraints(labels, record.groups, record.parts), split, seed)
    scaling = Scaling.fit(x[parts.train], lengths[parts.train])
    fitted = targets.task_of(kind, parts, y, lengths, record.target_names)
    splits = {
        part: encode_split(record.part(part, rows), fitted, scaling)
        for part, rows in parts._asdict().items()
    }
    notes = check_splits(fitted, splits)
    return Data(record.name, fitted, **splits, encoder=scaling, notes=notes)


def from_texts(record: LabelledTexts, split: Division, seed: int) -> Data:
    """Divide texts; words that the training part lacks become the unknown token."""
    texts, y = record.inputs, record.targets
    kind = targets.kind_of(targets.CLASSIFICATION, y, time=1)
    parts = divide(len(y), Constraints(y, record.groups, record.parts), split, seed)
    vocabulary = Vocabulary.fit((texts[row] for row in parts.train), WORD)
    tokens, lengths = vocabulary.encode(texts)
    exact, _ = Vocabulary.fit(texts, WORD).encode(texts)  # unknown words look alike
    task = targets.task_of(kind, parts, y, lengths)
    splits, originals = {}, {}
    for part, rows in parts._asdict().items():
        labels = encode_targets(task, y[rows], lengths[rows], part)
        splits[part] = Split(tokens[rows], labels, lengths[rows]).trimmed(task.per_step)
        originals[part] = Split(exact[rows], labels, lengths[rows])
    notes = check_splits(task, splits, originals)
    return Data(record.name, task, **splits, encoder=vocabulary, notes=notes)
