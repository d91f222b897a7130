"""Vocabularies: text becomes tokens."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from jaxrnn.data.arrays import pad_sequences

UNKNOWN = "\ufffd"
"""Token that stands for all that are unknown."""
CHARACTER, WORD = UNITS = "character", "word"
WORDS = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*|\S")
"""Letters and digits, with apostrophes and hyphens inside; any other mark by itself."""


@dataclass(frozen=True)
class Vocabulary:
    """Encoder of text: characters or words become the indices of tokens.

    Attributes:
        tokens: Tokens by index; the first stands for all that are unknown.
        unit: Name of what a token is, `character` or `word`.
    """

    tokens: tuple[str, ...]
    unit: str

    @classmethod
    def fit(cls, texts: Iterable[str], unit: str) -> "Vocabulary":
        """Learn the characters of texts in their order, or the words, the most frequent first."""
        return cls.from_tokens((token for text in texts for token in tokenize(text, unit)), unit)

    @classmethod
    def from_tokens(cls, tokens: Iterable[str], unit: str) -> "Vocabulary":
        """Learn the vocabulary of a text that is divided into tokens already."""
        counts = Counter(tokens)
        counts.pop(UNKNOWN, None)
        by_count = (lambda token: (-counts[token], token)) if unit == WORD else None
        return cls((UNKNOWN, *sorted(counts, key=by_count)), unit)

    @property
    def inputs(self) -> int:
        """Number of features per step: text has none."""
        return 0

    @property
    def size(self) -> int:
        """Number of tokens, the unknown one among them."""
        return len(self.tokens)

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def indices_of(self, tokens: Sequence[str]) -> np.ndarray:
        """Return the index of each token, int32 `(time,)`; 0 where it is unknown."""
        indices = self._indices
        return np.fromiter((indices.get(token, 0) for token in tokens), np.int32, len(tokens))

    def encode(self, raw: Sequence[str], lengths: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Return texts as indices of tokens, int32 `(samples, time)`, with true lengths.

        Args:
            raw: Texts, at least one.
            lengths: None, since texts have lengths of their own.

        Raises:
            ValueError: The texts are no list of texts, or one has no token.
        """
        if isinstance(raw, str) or not len(raw) or not all(isinstance(text, str) for text in raw):
            raise ValueError(f"`inputs` are {raw!r:.40}, but must be a list of texts.")
        if lengths is not None:
            raise ValueError("`lengths` are given, but texts have lengths of their own.")
        rows = [self.indices_of(tokenize(text, self.unit)) for text in raw]
        true = np.array([len(row) for row in rows], np.int32)
        if not true.all():
            sample = int(true.argmin())
            raise ValueError(
                f"`inputs` hold {raw[sample]!r:.40} as text {sample}, but must hold at least one "
                f"{self.unit} each."
            )
        return pad_sequences(rows), true

    def to_json(self) -> dict[str, Any]:
        """Describe the vocabulary by plain values."""
        return {"tokens": list(self.tokens), "unit": self.unit}

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Vocabulary":
        """Make the vocabulary again that `to_json` described."""
        return cls(tuple(about["tokens"]), about["unit"])


def tokenize(text: str, unit: str) -> Sequence[str]:
    """Divide a text into tokens."""
    return WORDS.findall(text.lower()) if unit == WORD else text
