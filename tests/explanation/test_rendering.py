import re

from hf_lstm.explanation.rendering import STYLE, colour_words, draw_scores, mark_words, split_text
from hf_lstm.explanation.words import Word

TEXT = "so <b> & x"
WORDS = [Word("so", 0, 2, 2.0), Word("<b>", 3, 6, -1.0), Word("&", 7, 8, 0.01)]


def test_parts_are_the_whole_text():
    parts = list(split_text(TEXT, WORDS))
    assert "".join(part for part, _, _ in parts) == TEXT
    assert [strength for _, word, strength in parts if word] == [1, -0.5, 0.005]
    assert [strength for _, _, strength in split_text("so", [Word("so", 0, 2, 0.0)])] == [0]


def test_html_is_escaped_and_has_the_numbers():
    html = mark_words(TEXT, WORDS)
    assert '<span class="for" style="--alpha:0.60" title="+2.0000">so</span>' in html
    assert '<span class="against" style="--alpha:0.30" title="-1.0000">&lt;b&gt;</span>' in html
    assert '<span title="+0.0100">&amp;</span> x' in html


def test_terminal_text_without_codes_is_the_text():
    coloured = colour_words(TEXT, WORDS)
    assert coloured.count("\033[0m") == 2 and re.sub(r"\033\[[\d;]*m", "", coloured) == TEXT


def test_chart_has_a_point_for_the_empty_text_and_each_word():
    chart = draw_scores(WORDS, [0.5, 1.0, 0.0, 0.25], "Probability of <x>", (0.0, 1.0))
    points = re.search(r'points="(.*?)"', chart)[1].split()
    assert [float(point.split(",")[1]) for point in points] == [65, 20, 110, 87.5]
    assert 'aria-label="Probability of &lt;x&gt;"' in chart and "<title>&lt;b&gt;: 0.0000</title>" in chart
    assert "nan" not in draw_scores(WORDS[:1], [2.0, 2.0], "constant", None)


def luminance(colour) -> float:
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_text_can_be_read_on_the_strongest_colours():
    """The contrast is at least 4.5 as in WCAG 2, in light and in dark mode."""
    for mode in STYLE.split("@media"):
        text, page = (
            [int(digit * (2 if len(code) == 3 else 1), 16) for digit in re.findall("." * (len(code) // 3), code)]
            for code in re.search(r"\{color: #(\w+); background: #(\w+)", mode).groups()
        )
        for name in ("--for", "--against"):
            colour = [int(part) for part in re.search(rf"{name}: ([\d, ]+)", mode)[1].split(",")]
            mixed = [0.6 * strong + 0.4 * plain for strong, plain in zip(colour, page, strict=True)]
            light, dark = sorted((luminance(text), luminance(mixed)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (mode[:20], name)
