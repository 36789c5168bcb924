"""The web page of the demo and of Spaces, with Gradio (https://www.gradio.app).

Spaces include a copy of this module.
"""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    import gradio as gr
except ImportError as error:
    raise ImportError(f'The demo requires gradio ({error}): pip install "hf_lstm[demo]"') from None

# In a Space, there are only copies of the modules that are imported here.
if TYPE_CHECKING or __package__:
    from ..explanation import DARK, LIGHT, STYLE, Word, draw_scores, mark_words
    from .live_text import LiveText, Prediction, Reader, update_text
else:
    from live_text import LiveText, Prediction, Reader, update_text
    from rendering import DARK, LIGHT, STYLE, draw_scores, mark_words
    from words import Word

# Longest text of the text box, which bounds the work for an edit at the start of the text.
MAX_CHARACTERS = 20_000

# Number of words at the end of the text that are coloured, and number of labels whose scores are shown.
SHOWN_WORDS, SHOWN_LABELS = 200, 5

# Events that wait while others are processed; further ones are refused.
MAX_WAITING = 64

# Probabilities are at least this far from 0 and 1 before they become log-odds: they have single precision.
SMALLEST = 1e-6

PAGE_STYLE = """
.hf-lstm-scores {display: grid; grid-template-columns: auto 1fr auto; gap: 4px 10px; align-items: center;
  margin: .5em 0; max-width: none}
.hf-lstm-scores div {height: 12px; border-radius: 6px; background: rgba(128, 128, 128, .2); overflow: hidden}
.hf-lstm-scores i {display: block; height: 100%; background: rgb(var(--for))}
.gradio-container .hf-lstm-explanation {max-width: none; margin: 0}
.gradio-container .hf-lstm-explanation h2 {font-size: 16px; margin: 0; overflow-wrap: anywhere}
#text textarea {unicode-bidi: plaintext}
"""

# Gradio has a light and a dark mode, which the Hub sets to that of its user. It can differ from that of the system.
MODE_STYLE = f".gradio-container .hf-lstm-explanation {{{LIGHT}}} .dark .hf-lstm-explanation {{{DARK}}}"


def build_interface(
    readers: Sequence[Reader],
    explain: Callable[[str], list[str]] | None = None,
    score_file: Callable[[str], Iterator[tuple[list[str], str]]] | None = None,
) -> gr.Blocks:
    """
    Build a page with a text box and one panel per classifier, which changes with every word.

    Args:
        readers: The classifiers, side by side; on a narrow screen, one below the other.
        explain: Returns HTML with the contributions of the words of a text, for each classifier. Without it, there is
            no button for it.
        score_file: Scores a file, and yields the paths of the scored files and a note once. They may be deleted when
            it continues. Without it, files cannot be uploaded.

    Returns:
        The page, to be started with [`launch`].
    """
    with gr.Blocks(title="hf_lstm", analytics_enabled=False, delete_cache=(3_600, 3_600)) as page:
        gr.HTML(f"<style>{STYLE}{PAGE_STYLE}{MODE_STYLE}</style>", padding=False)
        text = gr.Textbox(
            label=f"Text, up to {MAX_CHARACTERS:,} characters",
            placeholder="Type or paste a text: the scores change with every word.",
            lines=4,
            max_lines=12,
            max_length=MAX_CHARACTERS,
            autofocus=True,
            elem_id="text",
        )
        button = gr.Button("Show contributions of the words", visible=explain is not None, elem_id="explain")
        kept, panels, explanations = gr.State([None] * len(readers)), [], []
        with gr.Row():
            for i, reader in enumerate(readers):
                with gr.Column(min_width=300):
                    panels.append(gr.HTML(draw(reader, update_text(reader, None, "")), elem_id=f"scores-{i}"))
                    explanations.append(gr.HTML(elem_id=f"contributions-{i}"))
        if score_file is not None:
            _add_files(score_file)

        def update(text: str, kept: list[LiveText | None]) -> list[Any]:
            text = received(text)
            new = [update_text(reader, live, text) for reader, live in zip(readers, kept, strict=True)]
            return [new, *map(draw, readers, new), *[""] * len(readers)]

        # Of the changes that arrive while one is processed, only the last is processed.
        text.change(
            update, [text, kept], [kept, *panels, *explanations], trigger_mode="always_last", show_progress="hidden"
        )
        if explain is not None:
            explained = gr.State()
            explaining = button.click(
                lambda text: (text, explain(received(text))), text, explained, show_progress_on=explanations
            )
            # An explanation can take long. It is not shown if the text has changed since.
            explaining.success(
                lambda text, found: found[1] if found[0] == text else [""] * len(readers),
                [text, explained],
                explanations,
                show_progress="hidden",
            )
    return page.queue(max_size=MAX_WAITING)


def received(text: str) -> str:
    """Return a text of the browser without what is too long, and without lone surrogates, which cannot be sent back."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()


def _add_files(score_file: Callable[[str], Iterator[tuple[list[str], str]]]) -> None:
    """Add the part of the page that scores a file."""

    def score(path: str | None) -> Iterator[list[Any]]:
        if path is None:  # the file was removed
            yield [gr.File(None, visible=False), ""]
            return
        try:
            for paths, sentence in score_file(path):
                yield [gr.File(paths, visible=True), sentence]
        except (ValueError, OSError) as error:
            raise gr.Error(str(error), print_exception=False) from None

    with gr.Row():
        upload = gr.File(label="Score a csv, json, parquet or txt file", height=140, elem_id="upload")
        scored = gr.File(
            label="Scored file", file_count="multiple", interactive=False, visible=False, height=140, elem_id="scored"
        )
    note = gr.Markdown(elem_id="note")
    # One file at a time. Texts that are typed do not wait for it.
    upload.change(score, upload, [scored, note], concurrency_limit=1)


def launch(page: gr.Blocks, **options: Any) -> Any:
    """
    Start the web server of a page that loads nothing from other servers.

    Args:
        page: Page of [`build_interface`].
        options: Arguments of `gradio.Blocks.launch`, such as `server_port`.

    Returns:
        The return value of `gradio.Blocks.launch`.
    """
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return page.launch(theme=theme, footer_links=[], ssr_mode=False, max_file_size="100mb", **options)


def draw(reader: Reader, live: LiveText) -> str:
    """Return the panel of a classifier as HTML: scores and, if it reads forward, coloured words and a chart."""
    parts = [f"<h2>{escape(reader.name)}: {escape(_verdict(reader, live.prediction))}</h2>", _bars(reader, live)]
    if live.scores is None:
        parts.append("<p>This model does not read forward: it reads the whole text after each change.</p>")
    elif live.words:
        parts += _words_and_chart(reader, live, live.scores)
    return f'<figure class="hf-lstm-explanation">{"".join(parts)}</figure>'


def _verdict(reader: Reader, prediction: Prediction) -> str:
    """Return the predicted labels on one line."""
    if reader.is_regression:
        return "output"
    labels = prediction.label if isinstance(prediction.label, list) else [prediction.label or ""]
    return ", ".join(labels) or "no label reaches its threshold"


def _bars(reader: Reader, live: LiveText) -> str:
    """Return the highest scores as bars with numbers."""
    highest = sorted(live.prediction.scores.items(), key=lambda item: -item[1])[:SHOWN_LABELS]
    rows = []
    for label, score in highest:
        bar = "<span></span>" if reader.is_regression else f'<div><i style="width:{100 * score:.1f}%"></i></div>'
        rows.append(f"<span>{escape(label)}</span>{bar}<span>{score:.4f}</span>")
    return f'<div class="hf-lstm-scores">{"".join(rows)}</div>'


def _words_and_chart(reader: Reader, live: LiveText, scores: np.ndarray) -> list[str]:
    """Return the last words, coloured by the change of the score that they cause, and the score over the whole text."""
    label = max(live.prediction.scores, key=lambda name: live.prediction.scores[name])
    column = scores[:, reader.labels.index(label)].astype(np.float64)  # (1 + words,)
    odds = np.clip(column, SMALLEST, 1 - SMALLEST)
    changes = np.diff(column if reader.is_regression else np.log(odds / (1 - odds)))  # (words,)
    words, position = [], 0
    for piece, change in zip(live.words, changes.tolist(), strict=True):
        start = position + len(piece) - len(piece.lstrip())
        word = piece.strip()
        words.append(Word(word, start, start + len(word), change))
        position += len(piece)
    shown = words[-SHOWN_WORDS:]
    first = shown[0].start
    moved = [Word(word.text, word.start - first, word.end - first, word.contribution) for word in shown]
    hidden = f"<em>{len(words) - len(shown):,} words before …</em> " if len(words) > len(shown) else ""
    title = label if reader.is_regression else f"Probability of {label}"
    return [
        f'<figcaption>A word <span class="for">raises</span> or <span class="against">lowers</span> the score of '
        f"{escape(label)}.</figcaption><p>{hidden}{mark_words(''.join(live.words)[first:], moved)}</p>",
        draw_scores(words, column.tolist(), f"{title} after each word", None if reader.is_regression else (0.0, 1.0)),
    ]
