"""Ctrl-C while the service starts."""

from __future__ import annotations

import signal
import weakref

import pytest

from agent.serve import interrupts_noted


class Module:
    pass


def interrupt(_: object) -> None:
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_ends_what_is_under_way() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_noted() as interrupted:
        interrupt(None)
    assert interrupted.is_set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_python_drops_is_known_all_the_same() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts_noted() as interrupted:
        module = Module()
        watched = weakref.ref(module, interrupt)
        assert not interrupted.is_set()
        del module  # calls `interrupt`, whose KeyboardInterrupt goes nowhere
        assert watched() is None
        assert interrupted.is_set()
    assert signal.getsignal(signal.SIGINT) is before
