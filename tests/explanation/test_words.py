import pytest

from hf_lstm import train_tokenizer
from hf_lstm.explanation.words import find_words
from hf_lstm.inference import encode_texts


@pytest.mark.parametrize("kind", ["word", "bpe", "wordpiece", "unigram"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A film, don't you?!", ["A", "film", ",", "don't", "you", "?", "!"]),
        ("naïve ﬁlm\u00a0İstanbul<br />½ 😀👍🏽", ["naïve", "ﬁlm", "İstanbul", "½", "😀", "👍", "🏽"]),
        ("well-made", ["well", "-", "made"]),
        ("字" * 3, ["字" * 3]),
        (" \n", []),
    ],
)
def test_words_are_slices_of_the_text(kind, text, expected):
    tokenizer = train_tokenizer(["a good film, don't you think"] * 3, kind, vocab_size=400, show_progress=False)
    (encoding,) = encode_texts(tokenizer, [text], offsets=True)
    words = find_words(encoding)
    assert [text[word.start : word.end] for word in words] == expected
    # Every token except [CLS] belongs to exactly one word.
    assert [token for word in words for token in word.tokens] == list(range(1, len(encoding.ids)))
