"""Whoever runs tests loads `support.session`; whoever only deals them out to workers does not."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    deals = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not deals:
        config.pluginmanager.import_plugin("support.session")
