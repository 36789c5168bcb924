"""Stop a text while it arrives: streams of strings, generation with transformers, and many streams at once."""

from .generation import GuardStoppingCriteria as GuardStoppingCriteria, GuardStreamer as GuardStreamer
from .scheduler import Read as Read, StreamScheduler as StreamScheduler
from .streams import AsyncGuardedStream as AsyncGuardedStream, GuardedStream as GuardedStream, guard as guard
from .text_guard import GuardState as GuardState, TextGuard as TextGuard
from .verdict import StoppedByGuard as StoppedByGuard, Verdict as Verdict
