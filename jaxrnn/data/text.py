"""A long text becomes data: after every character or word, the next one is to be predicted."""

from collections.abc import Iterator

import numpy as np

from jaxrnn.data.dataset import Data
from jaxrnn.data.options import TaskOptions
from jaxrnn.data.records import PARTS, LongText
from jaxrnn.data.split import Split
from jaxrnn.data.splitting import Division, in_order
from jaxrnn.data.vocabulary import UNITS, Vocabulary, tokenize
from jaxrnn.tasks.language import Language


def from_text(record: LongText, options: TaskOptions, split: Division = None) -> Data:
    """Cut a text into consecutive blocks; the training part defines the vocabulary.

    Args:
        record: The text.
        options: Options of which `block` and `unit` count: tokens of one block, and what they are.
        split: Division of the tokens, in their order.

    Raises:
        ValueError: The unit is unknown, a block has no token, or a part has less than two.
    """
    block, unit = options.block, options.unit
    if not isinstance(block, int | np.integer):
        raise ValueError(f"`block` is {block!r}, but must be a whole number.")
    if block < 1:
        raise ValueError(f"`block` is {block}, but must be at least 1.")
    if unit not in UNITS:
        raise ValueError(f"`unit` is {unit!r}, but must be one of {', '.join(UNITS)}.")
    tokens = tokenize(record.text, unit)
    texts = [tokens[slice(*span)] for span in in_order(len(tokens), split)]
    vocabulary = Vocabulary.from_tokens(texts[0], unit)
    parts = {name: vocabulary.indices_of(text) for name, text in zip(PARTS, texts, strict=True)}
    for name, indices in parts.items():
        if len(indices) < 2:
            raise ValueError(f"`{name}` holds {len(indices)} {unit}, but must hold at least 2.")
    splits = {name: to_blocks(indices, block) for name, indices in parts.items()}
    task, notes = Language(vocabulary.tokens, unit), tuple(_notes(parts, vocabulary))
    return Data(record.name, task, **splits, encoder=vocabulary, notes=notes)


def to_blocks(tokens: np.ndarray, block: int) -> Split:
    """Cut tokens into blocks, with the token that follows each; the last may be shorter."""
    steps = len(tokens) - 1
    count = -(-steps // block)
    inputs, targets = np.zeros((2, count * block), np.int32)
    inputs[:steps], targets[:steps] = tokens[:-1], tokens[1:]
    lengths = np.full(count, block, np.int32)
    lengths[-1] = steps - (count - 1) * block
    return Split(inputs.reshape(count, block), targets.reshape(count, block), lengths)


def _notes(parts: dict[str, np.ndarray], vocabulary: Vocabulary) -> Iterator[str]:
    held = ", ".join(f"{name} {len(tokens):,}" for name, tokens in parts.items())
    yield f"Tokens are {vocabulary.unit}s, {vocabulary.size - 1:,} different ones: {held}."
    for name, tokens in parts.items():
        share = (tokens == 0).mean()
        if share:
            yield f"{share:.2%} of the tokens of {name} are unknown to train."
