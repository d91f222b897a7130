"""Processes that run tests load `support.session`; the one that only starts workers does not."""

import pytest

ALONE = "collectonly", "showfixtures", "show_fixtures_per_test", "setupplan"
"""Options with which there are no workers."""


def pytest_configure(config: pytest.Config) -> None:
    workers = config.getoption("numprocesses", None) and not any(map(config.getoption, ALONE))
    if hasattr(config, "workerinput") or not workers:
        config.pluginmanager.import_plugin("support.session")
