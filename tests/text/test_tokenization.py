"""Tokenizers learn the expected vocabulary, reload, accept any text, and give the same tokens for text in pieces."""

import json
import random
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings, strategies as st
from tokenizers import normalizers, pre_tokenizers
from transformers import AutoTokenizer

from hf_lstm.text import tokenization
from hf_lstm.text.boundaries import MAX_RUN_LENGTH, clean_text, stable_length
from hf_lstm.text.tokenization import (
    are_words,
    build_given_tokenizer,
    count_words,
    is_streamable,
    train_tokenizer,
)

KINDS = ["bpe", "wordpiece", "unigram", "word"]
CORPUS = [
    "The film was good, really good. I don't regret it!!!",
    "The film was bad; a waste of 90 minutes, really.",
    "Not good, not bad<br /><br />The actors were good.",
    "Ein schöner Film über 漢字 und 😀 Gefühle.",
] * 3
STRANGE = [
    "",
    " \t\n",
    "nul \x00 and bell \x07",
    "lone \ud800 surrogate and \udfff",
    "שלום مرحبا नमस्ते สวัสดี 漢字かな交じり文",
    "👨\u200d👩\u200d👧 🏳️\u200d🌈 ❤️ e\u0301\u0323 \u0301",
    "ﷺﷺ ﬁ Ｆｕｌｌ ½ … ´",
    "[PAD] [CLS] [UNK] </s> <0x0A>",
    "x" * 1_000,
]
# White space, parts of separators, characters that normalisation reorders, joins, splits or expands, and plain text.
PIECES = st.sampled_from(
    ["<", "<b", "r", " ", "/", ">", "<br />", "<BR>", "\n", "\x00", "\x85", "\u00a0", "\u3000", "\u200d", "\u0301"]
    + ["\u0323", "a", "film", "don't", "’", "İ", "Σ", "ﷺ", "´", "각", "\u1100", "\u1161", "漢", "😀", "!!!!", "[CLS]"]
    + [
        "i",
        "I",
        "\u0307",
        "ا",
        "م",
        "\u0640",
        "\u064e",
        "\u0651",
        "\u0653",
        "J",
        "\u030c",
        "12",
        "x" * 63,
        "[CL",
        "S]",
        "[",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join).map(clean_text)


@pytest.fixture(scope="module")
def tokenizers():
    return {kind: train_tokenizer(CORPUS, kind, vocab_size=400, show_progress=False) for kind in KINDS}


def tokens_of(tokenizer, text):
    return tokenizer.convert_ids_to_tokens(tokenizer(clean_text(text))["input_ids"])


def ids_of(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_word_vocabulary_is_ordered_by_frequency():
    tokenizer = train_tokenizer(["b a b c", "a b d d"], "word", vocab_size=8, show_progress=False)
    # "b" occurs three times, "a" and "d" twice; "c" occurs once and is therefore not in the vocabulary.
    assert tokenizer.get_vocab() == {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "b": 4, "a": 5, "d": 6}
    assert tokenizer("d  B c\na")["input_ids"] == [2, 6, 4, 1, 5]
    assert tokenizer("a", "b")["input_ids"] == [2, 5, 3, 4]


def test_pieces_of_words_and_symbols():
    texts = ["Isn’t it<br/>GOOD ... well-made!!!!! 10/10 ﬁne don't 'quoted' ❤️ e\u0301"] * 2
    tokenizer = train_tokenizer(texts, "word", show_progress=False)
    expected = "[CLS] isn't it good ... well - made !!! !! 10 / 10 fine don't ' quoted ' ❤️ é"
    assert tokens_of(tokenizer, texts[0]) == expected.split(" ")
    cased = train_tokenizer(texts, "word", lowercase=False, show_progress=False)
    assert tokens_of(cased, "GOOD good") == ["[CLS]", "GOOD", "[UNK]"]


@pytest.mark.parametrize(
    "separator", ["<br />", "<br>", "<BR/>", "<br\n/>", "\x00", "\r\n", "\u00a0", "\u2028", "\u3000"]
)
def test_separators_are_spaces(tokenizers, separator):
    for kind in KINDS:
        assert ids_of(tokenizers[kind], f"good{separator}film") == ids_of(tokenizers[kind], "good film")


@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_sizes(tokenizers, kind):
    tokenizer = tokenizers[kind]
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))
    assert len(tokenizer) <= 400
    special = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert special == (0, 1, 2, 3)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (2, 3)
    assert tokenizer.model_max_length > 1e20
    assert tokenizer("")["input_ids"] == [2]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_byte_level_kinds_have_no_unknown_tokens(tokenizers, kind):
    for text in STRANGE:
        ids = tokenizers[kind](clean_text(text.replace("[UNK]", "")))["input_ids"]
        assert tokenizers[kind].unk_token_id not in ids
    assert tokenizers[kind].decode(ids_of(tokenizers[kind], "ΩЖ漢😀")).strip() == "ωж漢 😀"


@pytest.mark.parametrize("kind", KINDS)
def test_decoded_parts_of_a_text_keep_their_spaces(tokenizers, kind, tmp_path):
    tokenizers[kind].save_pretrained(tmp_path)
    for tokenizer in (tokenizers[kind], AutoTokenizer.from_pretrained(tmp_path)):
        ids = tokenizer("The film was good, really bad!!!")["input_ids"]
        decoded = tokenizer.decode(ids, skip_special_tokens=True)
        assert decoded == " the film was good , really bad !!!"
        for cut in range(1, len(ids)):
            start, end = (tokenizer.decode(part, skip_special_tokens=True) for part in (ids[:cut], ids[cut:]))
            assert start + end == decoded


def test_symbols_that_mark_word_pieces_are_decoded_as_text():
    tokenizer = train_tokenizer(["a ## b"] * 3, kind="word", show_progress=False)
    assert tokenizer.decode(tokenizer("a ## b")["input_ids"], skip_special_tokens=True) == " a ## b"


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_special_tokens_in_a_text_become_these_tokens(tokenizers, kind):
    tokenizer = tokenizers[kind]
    good, film = ids_of(tokenizer, "good"), ids_of(tokenizer, "film")
    assert ids_of(tokenizer, "good [PAD] [CLS][SEP]film") == [*good, 0, 2, 3, *film]
    assert not {0, 2, 3} & set(ids_of(tokenizer, "good [pad] [CLS [SEP film"))


def test_padding_is_on_the_right(tokenizers):
    batch = tokenizers["word"](["good film", ""], padding=True)
    assert batch["attention_mask"] == [[1, 1, 1], [1, 0, 0]]
    assert batch["input_ids"][1] == [2, 0, 0]
    assert set(batch) == {"input_ids", "attention_mask"}


def test_auto_tokenizer_gives_the_same_ids(tokenizers, tmp_path):
    texts = [clean_text(text) for text in CORPUS + STRANGE]
    for kind, tokenizer in tokenizers.items():
        # The padding and truncation of a call must not be saved with the tokenizer.
        tokenizer(texts, padding=True, truncation=True, max_length=2)
        tokenizer.save_pretrained(tmp_path / kind)
        assert AutoTokenizer.from_pretrained(tmp_path / kind)(texts)["input_ids"] == tokenizer(texts)["input_ids"]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    # A new process that imports transformers only.
    script = (
        "import json, sys; from transformers import AutoTokenizer; texts = json.load(open('texts.json'));"
        "print(json.dumps({k: AutoTokenizer.from_pretrained('./' + k)(texts)['input_ids'] for k in sys.argv[1:]}))"
    )
    command = [sys.executable, "-c", script, *KINDS]
    reloaded = json.loads(subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True).stdout)
    for kind, tokenizer in tokenizers.items():
        assert reloaded[kind] == tokenizer(texts)["input_ids"]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 200), max_size=8))
def test_text_fed_in_pieces_gives_the_same_tokens(tokenizers, kind, text, cuts):
    tokenizer, held, ids = tokenizers[kind], "", []
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in zip(edges, edges[1:], strict=False):
        held += text[start:end]
        stable = stable_length(held)
        ids += ids_of(tokenizer, held[:stable])
        held = held[stable:]
        assert len(held) < MAX_RUN_LENGTH + len("<br /")
    assert ids + ids_of(tokenizer, held) == ids_of(tokenizer, text)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(words=st.lists(st.text(max_size=20).map(clean_text).filter(lambda word: "<" not in word)))
def test_tokens_are_those_of_the_words(tokenizers, kind, words):
    expected = [token for word in words for token in ids_of(tokenizers[kind], word)]
    assert ids_of(tokenizers[kind], " ".join(words)) == expected


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=TEXTS)
def test_no_visible_character_is_dropped(tokenizers, text):
    backend = tokenizers["word"].backend_tokenizer
    normalized = backend.normalizer.normalize_str(text)
    pieces = [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(normalized)]
    assert "".join(pieces) == normalized.replace(" ", "")


@pytest.mark.parametrize("kind", KINDS)
def test_long_runs_are_cut_into_short_pieces(tokenizers, kind):
    # The time is linear in the length of a text because the model of the tokenizer only sees pieces of bounded length.
    # NFKC turns one character into up to 18, and each character has up to 4 bytes.
    longest = 18 * 4 * MAX_RUN_LENGTH
    backend = tokenizers[kind].backend_tokenizer
    for text in ["a" * 500_000, " " * 500_000, "😀" * 100_000, "\u0301\u0323" * 100_000, "ﷺ" * 20_000]:
        pieces = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))
        assert max((len(piece) for piece, _ in pieces), default=0) <= longest
        assert sum(len(piece) for piece, _ in pieces) >= len(text.strip())


@pytest.mark.parametrize("kind", ["bpe", "word"])
def test_training_is_deterministic(kind):
    # The hash tables of the trainers get a new seed each time, so one process is enough to find differences.
    generator = random.Random(0)
    texts = ["".join(generator.choices("abcdefgh  ", k=60)) for _ in range(300)]
    first, second = [
        train_tokenizer(texts, kind, 500, show_progress=False).backend_tokenizer.to_str() for _ in range(2)
    ]
    assert first == second


@pytest.mark.parametrize("lowercase", [True, False])
def test_every_separator_becomes_a_space_before_runs_are_counted(lowercase):
    tokenizer = train_tokenizer(["a"], "word", lowercase=lowercase, show_progress=False)
    separators = [chr(code) for code in range(0x3001) if chr(code).isspace() or unicodedata.category(chr(code)) == "Cc"]
    run = "x" * (MAX_RUN_LENGTH - 1)
    for separator in separators:
        assert len(ids_of(tokenizer, f"y{separator}{run}")) == 2, hex(ord(separator))
        assert stable_length(f"y{separator}{run}") == 2, hex(ord(separator))


def test_a_generator_is_read_once_and_completely():
    read = []

    def stream():
        for index in range(2_500):
            read.append(index)
            yield "late word" if index == 2_499 else "early word"

    tokenizer = train_tokenizer(stream(), "bpe", 300, show_progress=False)
    assert read == list(range(2_500))
    assert "Ġearly" in tokenizer.get_vocab()


def test_dirty_texts_do_not_stop_training():
    for kind in KINDS:
        tokenizer = train_tokenizer(STRANGE + ["good film"] * 3, kind, 400, show_progress=False)
        assert tokenizer.unk_token_id not in ids_of(tokenizer, "good film")


@pytest.mark.parametrize(
    ("texts", "arguments", "message"),
    [
        (["a"], {"kind": "bpee"}, "'bpee'; choose one of: bpe, wordpiece, unigram, word"),
        (
            ["a"],
            {"kind": "bpe", "vocab_size": 100},
            "vocab_size=100 is too small: a 'bpe' tokenizer needs at least 264",
        ),
        (["a"], {"kind": "word", "vocab_size": 4}, "vocab_size=4 is too small: a 'word' tokenizer needs at least 8"),
        ([], {}, "no text to train a tokenizer on: 0 texts"),
        (iter([" ", "\n"]), {}, "no text to train a tokenizer on: 2 texts"),
    ],
)
def test_bad_arguments(texts, arguments, message):
    with pytest.raises(ValueError, match=message):
        train_tokenizer(texts, show_progress=False, **arguments)


def test_texts_are_checked():
    with pytest.raises(TypeError, match="got a single string"):
        train_tokenizer("a text", show_progress=False)
    with pytest.raises(TypeError, match=r"texts\[1500\] is None"):
        train_tokenizer(["a"] * 1_500 + [None], show_progress=False)


@pytest.mark.parametrize("kind", KINDS)
def test_vocabulary_does_not_exceed_its_limit(kind):
    # 3,000 different characters: more than the vocabulary can hold.
    texts = ["".join(map(chr, range(start, start + 50))) for start in range(0x4E00, 0x4E00 + 3_000, 50)] * 2
    assert len(train_tokenizer(texts, kind, vocab_size=300, show_progress=False)) <= 300


@pytest.mark.parametrize("kind", KINDS)
def test_only_tokenizers_of_this_package_are_streamable(tokenizers, kind, tmp_path):
    tokenizers[kind].save_pretrained(tmp_path)
    assert is_streamable(AutoTokenizer.from_pretrained(tmp_path))
    cased = train_tokenizer(CORPUS, kind, 300, lowercase=False, show_progress=False)
    assert is_streamable(cased)
    for part, foreign in {"normalizer": normalizers.NFC(), "pre_tokenizer": pre_tokenizers.Whitespace()}.items():
        other = AutoTokenizer.from_pretrained(tmp_path)
        setattr(other.backend_tokenizer, part, foreign)
        assert not is_streamable(other)
    other = AutoTokenizer.from_pretrained(tmp_path)
    other.add_tokens(["good film"])
    assert not is_streamable(other)


@pytest.mark.parametrize(
    "spellings",
    [
        ["\u00e9t\u00e9", "e\u0301te\u0301", "E\u0301T\u00c9"],
        ["\u0130stanbul", "I\u0307stanbul", "i\u0307stanbul", "istanbul", "\u0130STANBUL"],
        ["\u01f0", "j\u030c", "J\u030c"],
        ["\u0643\u062a\u0627\u0628", "\u0643\u0650\u062a\u064e\u0627\u0628", "\u0643\u062a\u0640\u0640\u0627\u0628"],
        ["\u0645\u062d\u0645\u0651\u064e\u062f", "\u0645\u062d\u0645\u064e\u0651\u062f"],
        ["\u0622\u0646", "\u0627\u0653\u0646", "\u0627\u064e\u0653\u0646"],
        ["\ud55c\uad6d", "\u1112\u1161\u11ab\u1100\u116e\u11a8"],
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_spellings_of_a_word_have_the_same_tokens(kind, spellings):
    tokenizer = train_tokenizer([spellings[0], "a word"] * 3, kind, 300, show_progress=False)
    assert tokenizer.unk_token_id not in tokenizer(spellings[0])["input_ids"]
    assert len({tuple(tokenizer(spelling)["input_ids"]) for spelling in spellings}) == 1


@pytest.mark.parametrize("lowercase", [False, True])
def test_tokenizers_of_earlier_versions_are_streamable(lowercase):
    tokenizer = train_tokenizer(["a word"] * 3, "word", 300, lowercase, show_progress=False)
    steps = tokenization._basic_steps() + [normalizers.Lowercase()] * lowercase
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(steps)
    assert is_streamable(tokenizer)
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC()])
    assert not is_streamable(tokenizer)


@pytest.mark.parametrize("kind", ["word", "wordpiece"])
def test_a_given_vocabulary_becomes_a_tokenizer_like_the_trained_ones(kind):
    trained = train_tokenizer(CORPUS, kind, vocab_size=400, show_progress=False)
    tokens = trained.convert_ids_to_tokens(list(range(len(trained))))[4:]
    given = build_given_tokenizer(tokens, kind)
    assert json.loads(given.backend_tokenizer.to_str()) == json.loads(trained.backend_tokenizer.to_str())
    assert is_streamable(given) and len(given) == len(trained)


def test_words_are_counted_as_they_are_split():
    counts = count_words(["Don't! don't", "film!\x00 Film A", "a"])
    assert list(counts.items()) == [("!", 2), ("a", 2), ("don't", 2), ("film", 2)]
    assert count_words(["Film film"], lowercase=False) == {"Film": 1, "film": 1}


def test_words_that_no_text_has_are_found():
    words = ["film", "don't", "!!!", "...", "naïve", "漢字", "12"]
    others = ["Film", "new york", "u.s.", "'s", "!!!!", "[CLS]", "[UNK]", "", "a1", "ﬁ", "x" * 65]
    assert are_words(words + others).tolist() == [True] * len(words) + [False] * len(others)
    assert are_words(["Film"], lowercase=False).all()
