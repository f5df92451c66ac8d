"""What the tests of workers let them do; a module, as processes of their own import it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NamedTuple


class Deadly(NamedTuple):
    """A part whose first worker is killed, where ``mark`` names a file; ``always``: every one."""

    number: int
    mark: str = ""
    always: bool = False


def square(part: Deadly) -> int:
    """Square the number, perhaps after a death."""
    if part.always or (part.mark and not Path(part.mark).exists()):
        Path(part.mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return part.number**2


def refuse(part: Deadly) -> int:
    raise ValueError(f"no {part.number} here")
