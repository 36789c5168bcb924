"""Recognise texts in scripts that do not separate words by spaces."""

import re
from collections.abc import Iterable

# Han, Hiragana, Katakana, Thai, Lao, Myanmar and Khmer. Korean separates words by spaces.
_WITHOUT_SPACES = re.compile(
    "[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003134f"
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
)

_VISIBLE = re.compile(r"\S")


def share_without_spaces(texts: Iterable[str]) -> float:
    """Return the share of visible characters in scripts that do not separate words by spaces, such as Chinese or Thai.

    Args:
        texts: Any strings.

    Returns:
        A share from 0 to 1; 0 if no character is visible.
    """
    count = visible = 0
    for text in texts:
        count += len(_WITHOUT_SPACES.findall(text))
        visible += len(_VISIBLE.findall(text))
    return count / visible if visible else 0.0
