"""Ctrl-C waits while something must not be torn."""

import os
import signal
import threading

import pytest

from search.records.signals import ENDING, answered, deferred


def test_ctrl_c_waits_for_the_end() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt):
        with deferred():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            steps.append("done")
        steps.append("behind")
    assert steps == ["done"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)  # and is heard again


def test_an_answer_of_ones_own() -> None:
    before, heard = [signal.getsignal(number) for number in ENDING], []
    with answered(lambda: heard.append(True)):
        for number in ENDING:
            os.kill(os.getpid(), number)
    assert heard == [True, True]
    assert [signal.getsignal(number) for number in ENDING] == before


def test_handlers_are_put_back_after_an_error() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OSError, match="full"), deferred():
        assert signal.getsignal(signal.SIGTERM) is not before
        raise OSError("full")
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_hear_no_signals_anyway() -> None:
    done = []

    def work() -> None:
        with deferred():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
