"""When a training saves its state, and when it stops before its end."""

import signal
import time
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Interruption:
    """Whether the job was asked to stop (SIGTERM, SIGUSR1), and whether it is time to save.

    The first signal asks for a saved state; the work then ends with exit status 128 + signal.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.saved, self.signal = seconds, time.monotonic(), 0
        for number in SIGNALS:
            signal.signal(number, self._ask)

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.signal = number

    def due(self) -> bool:
        """Whether a state should be saved now."""
        return bool(self.signal) or time.monotonic() - self.saved > self.seconds

    def done(self) -> None:
        """Say that the state was saved; ends the process if it was asked to stop."""
        self.saved = time.monotonic()
        if self.signal:
            raise SystemExit(128 + self.signal)
