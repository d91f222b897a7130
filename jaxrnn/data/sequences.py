"""Sequences and short texts, each with something to learn, become data."""

from jaxrnn.data import targets
from jaxrnn.data.arrays import check_samples, check_targets
from jaxrnn.data.checks import check_splits
from jaxrnn.data.dataset import Data
from jaxrnn.data.encoding import encode_split
from jaxrnn.data.records import LabelledTexts, Sequences
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.data.splitting import Constraints, Division, divide
from jaxrnn.data.vocabulary import WORD, Vocabulary


def from_sequences(raw: Sequences, task: str | None, split: Division, seed: int) -> Data:
    """Data whose inputs are standardised with the training part."""
    x, y, lengths = check_samples("data", raw.inputs, raw.targets, raw.lengths)
    kind = targets.kind_of(task, y, x.shape[1])
    labels = y if kind == targets.CLASSIFICATION else None
    parts = divide(len(x), Constraints(labels, raw.groups, raw.parts), split, seed)
    scaling = Scaling.fit(x[parts.train], lengths[parts.train])
    about = targets.task_of(kind, parts, y, lengths, raw.target_names)
    splits = {
        part: encode_split(part, (x[rows], y[rows], lengths[rows]), about, scaling)
        for part, rows in parts._asdict().items()
    }
    return Data(raw.name, about, **splits, encoder=scaling, notes=check_splits(about, splits))


def from_texts(raw: LabelledTexts, split: Division, seed: int, unit: str = WORD) -> Data:
    """Data whose inputs are tokens; those that the training part lacks are the unknown one."""
    y = check_targets("data", raw.targets, len(raw.inputs))
    kind = targets.kind_of(targets.CLASSIFICATION, y, time=1)
    parts = divide(len(y), Constraints(y, raw.groups, raw.parts), split, seed)
    vocabulary = Vocabulary.fit((raw.inputs[row] for row in parts.train), unit)
    tokens, lengths = vocabulary.encode(raw.inputs)
    exact, _ = Vocabulary.fit(raw.inputs, unit).encode(raw.inputs)  # unknown words look alike
    about = targets.task_of(kind, parts, y, lengths)
    splits, originals = {}, {}
    for part, rows in parts._asdict().items():
        due = targets.encode_targets(about, y[rows], lengths[rows], part)
        splits[part] = Split(tokens[rows], due, lengths[rows]).trimmed(about.per_step)
        originals[part] = Split(exact[rows], due, lengths[rows])
    said = check_splits(about, splits, originals)
    return Data(raw.name, about, **splits, encoder=vocabulary, notes=said)
