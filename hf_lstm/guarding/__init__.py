"""Stop a text while it arrives: streams of strings, generation with transformers, and many streams at once."""

from .generation import GuardStoppingCriteria, GuardStreamer
from .scheduler import Read, StreamScheduler
from .streams import AsyncGuardedStream, GuardedStream, guard
from .text_guard import GuardState, TextGuard
from .verdict import StoppedByGuard, Verdict

__all__ = [
    "AsyncGuardedStream",
    "GuardState",
    "GuardStoppingCriteria",
    "GuardStreamer",
    "GuardedStream",
    "Read",
    "StoppedByGuard",
    "StreamScheduler",
    "TextGuard",
    "Verdict",
    "guard",
]
