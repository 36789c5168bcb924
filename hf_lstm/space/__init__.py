"""Spaces on the Hub that show the page of the demo for an exported classifier."""

from .push import assemble_space, push_space

__all__ = ["assemble_space", "push_space"]
