import numpy as np
import torch
from helpers import TEXTS

from hf_lstm.early.token_scores import read_token_scores
from hf_lstm.inference.encoding import encode_texts


def test_scores_are_those_of_the_stream_and_of_each_truncated_text(stream):
    scores = read_token_scores(stream, TEXTS, "LABEL_1")
    for row, text in enumerate(TEXTS[:6]):
        result, state = stream.feed(stream.start(), text, each_token=True)
        last = stream.finish(state, each_token=True)
        alone = np.concatenate([result.token_scores, last.token_scores])
        np.testing.assert_allclose(scores.watched[row], alone[:, 1], atol=1e-6)
        np.testing.assert_allclose(scores.final[row], list(last.scores.values()), atol=1e-6)
        ids = encode_texts(stream.tokenizer, [text.replace("\ud83d", "\ufffd")])[0].ids
        assert len(scores.watched[row]) == len(ids) - 1  # not after [CLS]
        for count in range(1, len(ids)):
            with torch.no_grad():
                logits = stream.model(torch.tensor([ids[: count + 1]])).logits
            np.testing.assert_allclose(scores.watched[row][count - 1], logits.softmax(1)[0, 1], atol=1e-6)


def test_shares_are_rounded_up_to_whole_tokens(stream):
    words = ["a", "film", "so", "good", "that", "I", "saw", "it", "twice", "in", "one", "day", "without", "sleep"]
    scores = read_token_scores(stream, [" ".join(words), "", "film book"], "LABEL_0")
    assert scores.at_shares.shape == (3, 10, 3)
    assert [len(part) for part in scores.watched] == [14, 0, 2]
    # 10, 20, ... 100 % of 14 tokens.
    after = [2, 3, 5, 6, 7, 9, 10, 12, 13, 14]
    np.testing.assert_array_equal(scores.at_shares[0, :, 0], scores.watched[0][np.array(after) - 1])
    np.testing.assert_array_equal(scores.at_shares[2, :, 0], scores.watched[2][[0] * 5 + [1] * 5])
    empty = list(stream.finish(stream.start()).scores.values())
    np.testing.assert_allclose(scores.at_shares[1], np.tile(empty, (10, 1)), atol=1e-6)


def test_batches_keep_the_order_of_the_texts(stream):
    texts = [" ".join(["film"] * (1 + 7 * i % 40)) for i in range(70)]
    scores = read_token_scores(stream, texts, "LABEL_2")
    assert [len(part) for part in scores.watched] == [1 + 7 * i % 40 for i in range(70)]
