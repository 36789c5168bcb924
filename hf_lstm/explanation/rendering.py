"""Draw words and scores as HTML, SVG and coloured text for terminals.

This module uses only the standard library, because Spaces include a copy of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .words import Word

# Blue and orange differ for every kind of colour vision, and the lines below the words differ without colours.
# Text has a contrast of at least 6 on the strongest colour, in light and dark mode.
LIGHT = "color: #111; background: #fff; --for: 70, 150, 220; --against: 240, 130, 30"
DARK = "color: #eee; background: #161616; --for: 40, 110, 180; --against: 180, 80, 10"
_MODES = f"""
.hf-lstm-explanation {{{LIGHT}}}
@media (prefers-color-scheme: dark) {{.hf-lstm-explanation {{{DARK}}}}}"""
STYLE = (
    _MODES
    + """
.hf-lstm-explanation {font: 16px/1.7 system-ui, sans-serif; margin: 1em 0; padding: 1em; border: 1px solid #8888;
  border-radius: 6px; max-width: 56em}
.hf-lstm-explanation figcaption {font-size: 14px}
.hf-lstm-explanation p {white-space: pre-wrap; overflow-wrap: anywhere; margin: .5em 0; unicode-bidi: plaintext}
.hf-lstm-explanation em {unicode-bidi: isolate}
.hf-lstm-explanation span {border-radius: 3px; padding: 1px 0; --alpha: .6}
.hf-lstm-explanation .for {background: rgba(var(--for), var(--alpha)); border-bottom: 2px solid rgb(var(--for))}
.hf-lstm-explanation .against {background: rgba(var(--against), var(--alpha));
  border-bottom: 2px dashed rgb(var(--against))}
.hf-lstm-explanation .chart {position: relative; height: 130px; margin-top: 12px}
.hf-lstm-explanation svg {position: absolute; left: 44px; width: calc(100% - 44px); height: 100%}
.hf-lstm-explanation small {position: absolute; font-size: 11px; line-height: 12px; white-space: nowrap}
.hf-lstm-explanation line {stroke: currentColor; stroke-opacity: .3; vector-effect: non-scaling-stroke}
.hf-lstm-explanation polyline {fill: none; stroke: currentColor; stroke-width: 1.5; vector-effect: non-scaling-stroke}
.hf-lstm-explanation rect {fill: transparent}
.hf-lstm-explanation rect:hover {fill: rgba(128, 128, 128, .3)}
"""
)

PAGE_START = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Explanations</title><style>{STYLE}</style></head><body>
"""
PAGE_END = "</body></html>\n"

# Words whose contribution is smaller than this part of the largest one of the text are not coloured.
FAINT = 0.05

# Opacity of the colour of the word with the largest contribution.
STRONGEST = 0.6

# Backgrounds of a terminal with 256 colours, from weak to strong, on which black text can be read.
TERMINAL_FOR, TERMINAL_AGAINST = (195, 153, 111, 75), (230, 223, 216, 208)

# Height of the chart and its margins in pixels, as in `STYLE`. The width is stretched to that of the page.
CHART_WIDTH, CHART_HEIGHT = 800, 130
TOP, BOTTOM = 20, 20

# The chart of a longer text shows the scores at this many words or fewer, at equal distances.
MAX_POINTS = 400


def split_text(text: str, words: Sequence[Word]) -> Iterator[tuple[str, Word | None, float]]:
    """Yield the parts of a text: words with their strength from -1 to 1, and what is between them."""
    largest = max((abs(word.contribution) for word in words), default=0.0)
    position = 0
    for word in words:
        if word.start > position:
            yield text[position : word.start], None, 0.0
        yield word.text, word, word.contribution / largest if largest else 0.0
        position = word.end
    if position < len(text):
        yield text[position:], None, 0.0


def mark_words(text: str, words: Sequence[Word]) -> str:
    """Return a text as HTML in which the words have a background colour, and their numbers as titles."""
    parts = []
    for part, word, strength in split_text(text, words):
        if word is None:
            parts.append(escape(part))
            continue
        title = f"{word.contribution:+.4f}"
        if abs(strength) < FAINT:
            parts.append(f'<span title="{title}">{escape(part)}</span>')
        else:
            kind, alpha = "for" if strength > 0 else "against", STRONGEST * abs(strength)
            parts.append(f'<span class="{kind}" style="--alpha:{alpha:.2f}" title="{title}">{escape(part)}</span>')
    return "".join(parts)


def colour_words(text: str, words: Sequence[Word]) -> str:
    """Return a text with the colour codes of terminals."""
    parts = []
    for part, word, strength in split_text(text, words):
        if word is None or abs(strength) < FAINT:
            parts.append(part)
        else:
            shades = TERMINAL_FOR if strength > 0 else TERMINAL_AGAINST
            shade = shades[min(int(abs(strength) * len(shades)), len(shades) - 1)]
            parts.append(f"\033[38;5;16;48;5;{shade}m{part}\033[0m")
    return "".join(parts)


def draw_scores(words: Sequence[Word], scores: Sequence[float], title: str, limits: tuple[float, float] | None) -> str:
    """
    Draw the score after each word as HTML with an SVG element.

    Args:
        words: The words.
        scores: The score of the empty text, and that after each word.
        title: What is shown.
        limits: Lowest and highest value of the axis; those of the scores if `None`.
    """
    low, high = limits or (min(scores), max(scores))
    step = max(1, -(-len(words) // MAX_POINTS))
    shown = range(len(words), 0, -step)[::-1]  # numbers of the words, with the last one
    width, height = CHART_WIDTH / len(shown), CHART_HEIGHT - TOP - BOTTOM
    levels = [CHART_HEIGHT - BOTTOM - height * (scores[number] - low) / ((high - low) or 1.0) for number in (0, *shown)]
    points = " ".join(f"{i * width:.1f},{level:.1f}" for i, level in enumerate(levels))
    axis = ((high, TOP), ((low + high) / 2, TOP + height / 2), (low, TOP + height))
    lines = "".join(f'<line x1="0" x2="{CHART_WIDTH}" y1="{y}" y2="{y}"/>' for _, y in axis)
    numbers = "".join(f'<small style="left:0;top:{y - 6}px">{value:.3g}</small>' for value, y in axis)
    columns = "".join(
        f'<rect x="{i * width:.1f}" y="{TOP}" width="{width:.2f}" height="{height}">'
        f"<title>{escape(words[number - 1].text)}: {scores[number]:.4f}</title></rect>"
        for i, number in enumerate(shown)
    )
    label = escape(title)
    return (
        f'<div class="chart" role="img" aria-label="{label}"><svg viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT}" '
        f'preserveAspectRatio="none">{lines}<polyline points="{points}"/>{columns}</svg>{numbers}'
        f'<small style="left:44px;top:0">{label}</small><small style="left:44px;bottom:0">empty text</small>'
        f'<small style="right:0;bottom:0">word {len(words):,}</small></div>'
    )
