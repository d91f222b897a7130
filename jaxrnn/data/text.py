"""A long text becomes data: after every character or word the question is which comes next."""

from collections.abc import Callable, Iterator

import numpy as np

from jaxrnn.data.dataset import Data
from jaxrnn.data.records import PARTS, LongText
from jaxrnn.data.split import Split
from jaxrnn.data.splitting import Ranges
from jaxrnn.data.vocabulary import CHARACTER, UNITS, Vocabulary, tokenize
from jaxrnn.tasks.language import Language


def from_text(
    raw: LongText, block: int, ranges: Callable[[int], Ranges], unit: str = CHARACTER
) -> Data:
    """Data of consecutive blocks, whose vocabulary is that of the training part.

    Args:
        raw: The text.
        block: Tokens of one.
        ranges: From the tokens of the text to first token and token behind the last of each part.
        unit: What a token is: `character` or `word`.

    Raises:
        ValueError: No block, an unknown unit, or a part of less than two tokens.
    """
    if block < 1:
        raise ValueError(f"`block` is {block}, but must be at least 1.")
    if unit not in UNITS:
        raise ValueError(f"`unit` is {unit!r}, but must be one of {', '.join(UNITS)}.")
    whole = tokenize(raw.text, unit)
    given = [whole[slice(*span)] for span in ranges(len(whole))]
    vocabulary = Vocabulary.from_tokens(given[0], unit)
    parts = {name: vocabulary.indices_of(own) for name, own in zip(PARTS, given, strict=True)}
    for name, tokens in parts.items():
        if len(tokens) < 2:
            raise ValueError(f"`{name}` holds {len(tokens)} {unit}, but must hold at least 2.")
    splits = {name: to_blocks(tokens, block) for name, tokens in parts.items()}
    task, said = Language(vocabulary.tokens, unit), tuple(_notes(parts, vocabulary))
    return Data(raw.name, task, **splits, encoder=vocabulary, notes=said)


def to_blocks(tokens: np.ndarray, block: int) -> Split:
    """Consecutive blocks with the tokens that follow each; the last may be shorter."""
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
