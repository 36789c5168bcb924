import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from transformers import PreTrainedTokenizerFast

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.inference.prediction import predict_texts, probabilities
from hf_lstm.inference.stream_state import StreamState
from hf_lstm.inference.streaming import StreamingClassifier
from hf_lstm.text.tokenization import train_tokenizer

TEXTS = [
    "A film, don't you think?!<br /><br>that I\tloved… once",
    "naïve 😀 日本語の文 [CLS] über ﬁne l'été",
    "x" * 200 + " <b" + "y" * 70 + "[CL",
    "<BR/>" * 5 + "\r\n[SEP]",
    "",
]
CASES = [
    ("lstm", "concat", 2, "single_label_classification"),
    ("lstm", "last", 1, "multi_label_classification"),
    ("gru", "max", 1, "single_label_classification"),
    ("rnn", "mean", 2, "regression"),
]
TOKENIZERS = {kind: train_tokenizer(TEXTS * 3, kind, 400, show_progress=False) for kind in ("word", "bpe")}


def make_stream(
    cell_type="lstm", pooling="concat", layers=1, problem_type="single_label_classification", kind="word"
) -> StreamingClassifier:
    torch.manual_seed(0)
    config = LstmConfig(
        vocab_size=400,
        embedding_size=6,
        hidden_size=5,
        cell_type=cell_type,
        pooling=pooling,
        num_hidden_layers=layers,
        bidirectional=False,
        num_labels=3,
        problem_type=problem_type,
        initializer_range=1.0,
    )
    return StreamingClassifier(LstmForSequenceClassification(config), TOKENIZERS[kind])


STREAMS = [make_stream(*case, kind) for case in CASES for kind in TOKENIZERS]


def whole_scores(stream: StreamingClassifier, texts: list[str]) -> np.ndarray:
    logits = predict_texts(stream.model, stream.tokenizer, texts)
    return probabilities(logits, stream.model.config.problem_type)


def scores(result) -> list[float]:
    return list(result.scores.values())


def cut(data, whole):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    return [whole[i:j] for i, j in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("stream", STREAMS, ids=lambda s: f"{s.model.config.cell_type}-{s.tokenizer.vocab_size}")
def test_text_in_any_pieces_equals_the_whole_text(stream, as_bytes, data):
    text = data.draw(st.sampled_from(TEXTS) | st.text(alphabet="ab <br/>[CLS]é😀'\r\n", max_size=150))
    state = stream.start()
    for piece in cut(data, text.encode() if as_bytes else text):
        _, state = stream.feed(state, piece)
        assert len(state.held) <= 64 + 6
        state = StreamState.from_bytes(state.to_bytes())
    result = stream.finish(state)
    np.testing.assert_allclose(scores(result), whole_scores(stream, [text])[0], atol=1e-5)
    assert result.num_tokens == len(stream.tokenizer(text)["input_ids"])


def test_divided_characters_equal_whole_characters():
    stream, pair = STREAMS[0], "\ud83d\ude00"
    state = stream.feed(stream.start(), "so " + pair[0])[1]
    state = stream.feed(state, pair[1] + " good " + pair[0])[1]
    expected = whole_scores(stream, ["so 😀 good \ufffd"])[0]
    np.testing.assert_allclose(scores(stream.finish(state)), expected, atol=1e-5)
    state = stream.feed(stream.start(), "good \xe9".encode()[:-1])[1]
    assert state.undecoded == b"\xc3"
    state = stream.feed(state, "")[1]
    assert state.undecoded == b"\xc3"
    expected = whole_scores(stream, ["good \ufffd film"])[0]
    np.testing.assert_allclose(scores(stream.finish(stream.feed(state, " film")[1])), expected, atol=1e-5)
    np.testing.assert_allclose(scores(stream.finish(state)), whole_scores(stream, ["good \ufffd"])[0], atol=1e-5)


@pytest.mark.parametrize("stream", STREAMS, ids=lambda s: f"{s.model.config.cell_type}-{s.tokenizer.vocab_size}")
def test_each_token_has_the_scores_of_the_text_up_to_it(stream, monkeypatch):
    monkeypatch.setattr("hf_lstm.inference.token_reader.STEPS", 3)
    text = TEXTS[0]
    first, state = stream.feed(stream.start(), text[:20], each_token=True)
    last = stream.finish(stream.feed(state, text[20:])[1], each_token=True)
    middle = stream.feed(state, text[20:], each_token=True)[0]
    spans = first.token_spans + middle.token_spans + last.token_spans
    encoded = stream.tokenizer(text, return_offsets_mapping=True)
    assert spans == encoded["offset_mapping"][1:]  # after [CLS]
    ids = torch.tensor([encoded["input_ids"]])
    with torch.no_grad():
        logits = torch.cat([stream.model(ids[:, : n + 2]).logits for n in range(len(spans))]).numpy()
    found = np.concatenate([first.token_scores, middle.token_scores, last.token_scores])
    np.testing.assert_allclose(found, probabilities(logits, stream.model.config.problem_type), atol=1e-5)
    assert stream.finish(state).token_scores is None


def test_many_streams_at_once_equal_separate_streams():
    stream = STREAMS[0]
    texts = [f"{TEXTS[i % 5]} text {i}, {'word ' * (i % 7)}" for i in range(30)]
    states, done, arrived = {}, {}, [0] * len(texts)
    rng = np.random.default_rng(0)
    while len(done) < len(texts):
        joined = [i for i in range(len(texts)) if i not in states and i not in done][:5]
        states |= {i: stream.start() for i in joined}
        active = list(rng.permutation(list(states)))
        pieces = []
        for i in active:
            size = int(rng.integers(0, 60))
            pieces.append(texts[i][arrived[i] : arrived[i] + size])
            arrived[i] += size
        fed = stream.feed_many([states[i] for i in active], pieces)
        states |= {i: state for i, (_, state) in zip(active, fed, strict=True)}
        left = [i for i in active if arrived[i] >= len(texts[i])]
        done |= dict(zip(left, stream.finish_many([states.pop(i) for i in left]), strict=True))
    found = [scores(done[i]) for i in range(len(texts))]
    np.testing.assert_allclose(found, whole_scores(stream, texts), atol=1e-5)
    assert stream.feed_many([], []) == []
    with pytest.raises(ValueError, match="1 states, but 2 pieces and 1 values of `ended`"):
        stream.feed_many([stream.start()], ["a", "b"], ended=[True])
    with pytest.raises(ValueError, match="2 states, but 2 pieces and 1 values of `ended`"):
        stream.feed_many([stream.start()] * 2, ["a", "b"], ended=[True])
    for piece, kind in ((None, "NoneType"), (5, "int"), (["a"], "list")):
        with pytest.raises(TypeError, match=f"a piece of text .str or bytes., got {kind}"):
            stream.feed(stream.start(), piece)


def test_state_is_never_modified():
    stream = STREAMS[0]
    state = stream.feed(stream.start(), "a film that ")[1]
    before = state.to_bytes()
    once = stream.finish(stream.feed(state, "I loved")[1])
    twice = stream.finish(stream.feed(state, "I loved")[1])
    assert once == twice
    assert state.to_bytes() == before
    assert scores(stream.finish(stream.start())) == pytest.approx(list(whole_scores(stream, [""])[0]), abs=1e-5)


def test_state_does_not_grow():
    stream = STREAMS[0]
    sizes = set()
    state = stream.start()
    for _ in range(50):
        state = stream.feed(state, "a film that I loved " * 20)[1]
        sizes.add(len(state.to_bytes()) - len(f"{state.position}{state.num_tokens}"))
    assert len(sizes) == 1


def test_state_of_another_model_raises():
    stream = STREAMS[0]
    state = stream.feed(stream.start(), "a film")[1]
    with pytest.raises(ValueError, match="another model"):
        stream.feed(replace(state, memory=state.memory | {"h": torch.zeros(9, 5)}), "b")
    with pytest.raises(ValueError, match="another model"):
        make_stream(pooling="max").feed(state, "b")


@pytest.mark.slow
def test_state_is_portable_between_processes(tmp_path):
    stream = STREAMS[0]
    stream.model.save_pretrained(tmp_path)
    stream.tokenizer.save_pretrained(tmp_path)
    (tmp_path / "state").write_bytes(stream.feed(stream.start(), "A film, do")[1].to_bytes())
    code = """
import sys
from pathlib import Path
from hf_lstm.inference.loading import load_model_and_tokenizer
from hf_lstm.inference.stream_state import StreamState
from hf_lstm.inference.streaming import StreamingClassifier
stream = StreamingClassifier(*load_model_and_tokenizer(sys.argv[1]))
state = StreamState.from_bytes((Path(sys.argv[1]) / "state").read_bytes())
print(*stream.finish(stream.feed(state, "n't you")[1]).scores.values())
"""
    printed = subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], text=True)
    expected = whole_scores(stream, ["A film, don't you"])[0]
    np.testing.assert_allclose([float(score) for score in printed.split()], expected, atol=1e-5)


def test_stop_rule_counts_tokens_in_a_row():
    stream = STREAMS[0]
    text = "a film that I loved once, and that you don't think was fine. " * 4
    everything = stream.finish(stream.feed(stream.start(), text)[1])
    result, state = stream.feed(stream.start(), text + " ", each_token=True)
    watched = result.token_scores[:, 1]
    threshold = float(np.sort(watched)[len(watched) // 2])
    for wanted in (1, 2, 3):
        runs = [all(watched[i - wanted + 1 : i + 1] >= threshold) for i in range(wanted - 1, len(watched))]
        expected = result.token_spans[runs.index(True) + wanted - 1][1] if True in runs else None
        guard = stream.stop_when(label="LABEL_1", probability=threshold, for_tokens=wanted)
        state = guard.start()
        for i in range(0, len(text), 7):
            state = guard.feed(state, text[i : i + 7])[1]
        assert guard.finish(state).stopped_at == expected
    assert everything.stopped_at is None
    with pytest.raises(ValueError, match="another model, tokenizer or stop rule"):
        stream.feed(state, "more")


def test_model_or_tokenizer_that_cannot_stream_raises(tiny_config):
    untrained = LstmForSequenceClassification(tiny_config(bidirectional=False))
    with pytest.raises(ValueError, match="has no problem_type"):
        StreamingClassifier(untrained, TOKENIZERS["word"])
    both = LstmForSequenceClassification(tiny_config(bidirectional=True))
    with pytest.raises(ValueError, match="from their end"):
        StreamingClassifier(both, TOKENIZERS["word"])
    reverse = LstmForSequenceClassification(tiny_config(bidirectional=False, reverse=True))
    with pytest.raises(ValueError, match="from their end"):
        StreamingClassifier(reverse, TOKENIZERS["word"])
    foreign = PreTrainedTokenizerFast(
        tokenizer_object=TOKENIZERS["word"].backend_tokenizer.__class__.from_str(
            TOKENIZERS["word"].backend_tokenizer.to_str()
        )
    )
    foreign.backend_tokenizer.normalizer = None
    with pytest.raises(ValueError, match="not trained by hf_lstm"):
        StreamingClassifier(STREAMS[0].model, foreign)


def test_labels_of_a_multi_label_problem_are_those_above_the_threshold():
    stream = make_stream(problem_type="multi_label_classification")
    result = stream.finish(stream.feed(stream.start(), "a film")[1])
    assert sorted(result.label) == sorted(name for name, score in result.scores.items() if score >= 0.5)


def test_bf16_model_streams_as_it_scores():
    stream = STREAMS[0]
    half = StreamingClassifier(make_stream(*CASES[0]).model.to(torch.bfloat16), stream.tokenizer)
    state = half.start()
    for word in TEXTS[0].split():
        state = half.feed(state, word + " ")[1]
    expected = whole_scores(half, [" ".join(TEXTS[0].split())])[0]
    np.testing.assert_allclose(scores(half.finish(state)), expected, atol=1e-2)
    assert state.memory["h"].dtype == torch.bfloat16
