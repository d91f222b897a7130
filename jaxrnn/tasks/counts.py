"""Metrics of decisions, from counts: as scikit-learn has them, 0 where it would divide by 0."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.tasks.argmax import argmax
from jaxrnn.tasks.steps import only
from jaxrnn.types import AnyArray, Array


class Counts(NamedTuple):
    """Of every class, each `(classes,)` int32; or of all together, `()`.

    Attributes:
        right: Answered where it was true.
        answered: Answered.
        true: True.
    """

    right: Array
    answered: Array
    true: Array

    @classmethod
    def of_marks(cls, answers: Array, targets: AnyArray, counted: Array) -> "Counts":
        """Of any number of classes at once, `(..., classes)` bool, where `counted`."""
        answers, targets = only(answers, counted), only(targets, counted)
        axes = tuple(range(answers.ndim - 1))
        return cls(*(marks.sum(axes) for marks in (answers & targets, answers, targets)))

    @classmethod
    def of_classes(cls, outputs: Array, targets: AnyArray, counted: Array) -> "Counts":
        """Of the likeliest class by logits `(..., classes)`, and of indices `(...)`."""
        classes = outputs.shape[-1]
        answers = jax.nn.one_hot(argmax(outputs), classes, dtype=bool)
        return cls.of_marks(answers, jax.nn.one_hot(targets, classes, dtype=bool), counted)

    def together(self) -> "Counts":
        """Over all classes, for micro averages."""
        return Counts(*(count.sum() for count in self))

    def macro(self, values: Array) -> Array:
        """Mean over the classes that are answered or true."""
        return _mean(values, self.answered + self.true > 0)

    def weighted(self, values: Array) -> Array:
        """Mean over the classes, weighted by how often they are true."""
        return (values * self.true).sum() / self.true.sum()


def accuracy(counts: Counts) -> Array:
    """Share of right answers."""
    return counts.right.sum() / counts.true.sum()


def balanced_accuracy(counts: Counts) -> Array:
    """Mean recall of the classes that are true somewhere."""
    return _mean(recall(counts), counts.true > 0)


def precision(counts: Counts) -> Array:
    """Share of the answers that are right."""
    return _share(counts.right, counts.answered)


def recall(counts: Counts) -> Array:
    """Share of what is true that was answered."""
    return _share(counts.right, counts.true)


def f1(counts: Counts) -> Array:
    """Harmonic mean of precision and recall."""
    return _share(2 * counts.right, counts.answered + counts.true)


def overlap(counts: Counts) -> Array:
    """True positives over all that is answered or true (Jaccard's index)."""
    return _share(counts.right, counts.answered + counts.true - counts.right)


def _share(some: Array, all_of_them: Array) -> Array:
    return some / jnp.maximum(all_of_them, 1)


def _mean(values: Array, counted: Array) -> Array:
    return only(values, counted).sum() / counted.sum()
