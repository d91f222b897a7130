"""Text as numbers."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from jaxrnn.data.arrays import pad_sequences

UNKNOWN = "\ufffd"
CHARACTER, WORD = UNITS = "character", "word"
WORDS = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*|\S")
"""Letters and digits, with apostrophes and hyphens inside; any other mark by itself."""


@dataclass(frozen=True)
class Vocabulary:
    """Text becomes tokens.

    Attributes:
        tokens: The first stands for all that are unknown.
        unit: What a token is: `character` or `word`.
    """

    tokens: tuple[str, ...]
    unit: str

    @classmethod
    def fit(cls, texts: Iterable[str], unit: str) -> "Vocabulary":
        """Characters in their order, or words, the most frequent first."""
        return cls.from_tokens((piece for text in texts for piece in tokenize(text, unit)), unit)

    @classmethod
    def from_tokens(cls, parts: Iterable[str], unit: str) -> "Vocabulary":
        """The same of a text that is already in pieces."""
        counts = Counter(parts)
        counts.pop(UNKNOWN, None)
        by_count = (lambda token: (-counts[token], token)) if unit == WORD else None
        return cls((UNKNOWN, *sorted(counts, key=by_count)), unit)

    @property
    def inputs(self) -> int:
        """No features."""
        return 0

    @property
    def size(self) -> int:
        """Tokens, the unknown one among them."""
        return len(self.tokens)

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    def indices_of(self, parts: Sequence[str]) -> np.ndarray:
        """Tokens of a text in pieces, int32 `(time,)`; 0 where unknown."""
        known = self._indices
        return np.fromiter((known.get(piece, 0) for piece in parts), np.int32, len(parts))

    def encode(self, raw: Sequence[str], lengths: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Texts as tokens, int32 `(samples, time)`, with true lengths.

        Args:
            raw: At least one text.
            lengths: Not needed: texts have lengths of their own.

        Raises:
            ValueError: No list of texts, or one without any token.
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
        """Plain values."""
        return {"tokens": list(self.tokens), "unit": self.unit}

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Vocabulary":
        """What `to_json` was called on."""
        return cls(tuple(about["tokens"]), about["unit"])


def tokenize(text: str, unit: str) -> Sequence[str]:
    """A text as tokens."""
    return WORDS.findall(text.lower()) if unit == WORD else text
