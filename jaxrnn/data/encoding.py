"""From raw inputs to what networks read, with what was learnt from the training part."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from jaxrnn.data.scaling import Scaling
from jaxrnn.data.vocabulary import Vocabulary

Encoder: TypeAlias = Scaling | Vocabulary


def from_json(about: Mapping[str, Any]) -> Encoder:
    """The encoder whose `to_json` this is."""
    return Vocabulary.from_json(about) if "tokens" in about else Scaling.from_json(about)
