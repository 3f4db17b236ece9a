# SPDX-License-Identifier: Apache-2.0
"""Signals that end a program which has something to take down first."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import Iterator

END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(KeyboardInterrupt):
    """A signal: unwinds the stack, so that `finally` cleans up. Not SystemExit: unittest takes
    that for a failed test, and goes on with the next."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def end_on_signals() -> None:
    def unwind(number: int, _frame: object) -> None:
        raise Ended(number)

    for each in END_SIGNALS:
        signal.signal(each, unwind)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Impatience doesn't end a removal halfway."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in END_SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
