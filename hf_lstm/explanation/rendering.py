"""Draw words and scores as HTML, SVG and coloured text for terminals."""

from collections.abc import Iterator, Sequence
from html import escape

from .words import Word

# Blue and orange differ for every kind of colour vision, and the lines below the words differ without colours.
# Text has a contrast of at least 6 on the strongest colour, in light and dark mode.
STYLE = """
.hf-lstm-explanation {color: #111; background: #fff; font: 16px/1.7 system-ui, sans-serif; margin: 1em 0; padding: 1em;
  border: 1px solid #8888; border-radius: 6px; max-width: 56em; --for: 70, 150, 220; --against: 240, 130, 30}
.hf-lstm-explanation figcaption {font-size: 14px}
.hf-lstm-explanation p {white-space: pre-wrap; overflow-wrap: anywhere; margin: .5em 0}
.hf-lstm-explanation span {border-radius: 3px; padding: 1px 0; --alpha: .6}
.hf-lstm-explanation .for {background: rgba(var(--for), var(--alpha)); border-bottom: 2px solid rgb(var(--for))}
.hf-lstm-explanation .against {background: rgba(var(--against), var(--alpha));
  border-bottom: 2px dashed rgb(var(--against))}
.hf-lstm-explanation svg {width: 100%; height: auto; font-size: 11px}
.hf-lstm-explanation text {fill: currentColor}
.hf-lstm-explanation line {stroke: currentColor; stroke-opacity: .3}
.hf-lstm-explanation polyline {fill: none; stroke: currentColor; stroke-width: 1.5}
.hf-lstm-explanation rect {fill: transparent}
.hf-lstm-explanation rect:hover {fill: rgba(128, 128, 128, .3)}
@media (prefers-color-scheme: dark) {
  .hf-lstm-explanation {color: #eee; background: #161616; --for: 40, 110, 180; --against: 180, 80, 10}}
"""

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

# Size of the chart and its margins in pixels.
CHART_WIDTH, CHART_HEIGHT = 800, 130
LEFT, TOP, BOTTOM = 48, 20, 20


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
    Draw the score after each word as an SVG element.

    Args:
        words: The words.
        scores: The score of the empty text, and that after each word.
        title: What is shown.
        limits: Lowest and highest value of the axis; those of the scores if `None`.
    """
    low, high = limits or (min(scores), max(scores))
    width, height = (CHART_WIDTH - LEFT) / len(words), CHART_HEIGHT - TOP - BOTTOM
    levels = [CHART_HEIGHT - BOTTOM - height * (score - low) / ((high - low) or 1.0) for score in scores]
    points = " ".join(f"{LEFT + i * width:.1f},{level:.1f}" for i, level in enumerate(levels))
    axis = "".join(
        f'<line x1="{LEFT}" x2="{CHART_WIDTH}" y1="{y}" y2="{y}"/><text x="{LEFT - 6}" y="{y + 4}" '
        f'text-anchor="end">{value:.3g}</text>'
        for value, y in ((high, TOP), ((low + high) / 2, TOP + height / 2), (low, TOP + height))
    )
    columns = "".join(
        f'<rect x="{LEFT + i * width:.1f}" y="{TOP}" width="{width:.2f}" height="{height}">'
        f"<title>{escape(word.text)}: {score:.4f}</title></rect>"
        for i, (word, score) in enumerate(zip(words, scores[1:], strict=True))
    )
    label = escape(title)
    return (
        f'<svg viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT}" role="img" aria-label="{label}">'
        f'<text x="{LEFT}" y="12">{label}</text>{axis}<polyline points="{points}"/>{columns}'
        f'<text x="{LEFT}" y="{CHART_HEIGHT - 4}">empty text</text>'
        f'<text x="{CHART_WIDTH}" y="{CHART_HEIGHT - 4}" text-anchor="end">word {len(words):,}</text></svg>'
    )
