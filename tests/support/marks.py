"""Cases of a parametrized test that only `pytest -m slow` runs."""

from typing import Any

import pytest


def slow(*cases: Any) -> list[Any]:
    """Each a value, or a tuple of as many values as the test has parameters here."""
    values = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*one, marks=pytest.mark.slow) for one in values]
