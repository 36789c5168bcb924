import pytest
import torch
from datasets import Dataset, DatasetDict
from helpers import SIZES, build_classifier, tiny_corpus
from transformers import PreTrainedTokenizerFast

from hf_lstm import LstmForCausalLM, LstmForSequenceClassification, LstmModel
from hf_lstm.data.batching import tokenize_corpus
from hf_lstm.data.corpus import Corpus
from hf_lstm.knowledge.vectors import train_vectors
from hf_lstm.pretraining.trainer import save_vectors
from hf_lstm.training.arguments import ModelArguments
from hf_lstm.training.building import (
    balanced_weights,
    build_model,
    build_tokenizer,
    build_vector_vocabulary,
    new_config,
    start_from_vectors,
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return tiny_corpus()


@pytest.fixture(scope="module")
def tokenizer(corpus) -> PreTrainedTokenizerFast:
    return build_tokenizer(corpus.splits["train"]["text"], ModelArguments(**SIZES))


@pytest.fixture(scope="module")
def splits(corpus, tokenizer) -> DatasetDict:
    return tokenize_corpus(corpus.splits, tokenizer)


@pytest.fixture(scope="module")
def language_model(tokenizer, tmp_path_factory):
    """A saved language model of two layers, and its folder."""
    folder = tmp_path_factory.mktemp("lm")
    fields = {"num_hidden_layers": 2, "bidirectional": False, "tie_word_embeddings": True}
    model = LstmForCausalLM(new_config(tokenizer, {"embedding_size": 8, "hidden_size": 8} | fields))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, str(folder)


@pytest.fixture(scope="module")
def vectors(tokenizer, splits, tmp_path_factory):
    """Saved word vectors, and their folder."""
    folder = tmp_path_factory.mktemp("vectors")
    model = LstmModel(new_config(tokenizer, {"embedding_size": 8, "hidden_size": 8}))
    start_from_vectors(model, splits["train"])
    save_vectors(model, tokenizer, folder)
    return model, str(folder)


def assert_same_backbone(model, other) -> None:
    weights = other.state_dict()
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_balanced_weights(capsys):
    rows = Dataset.from_dict({"labels": [0, 0, 0, 1]})
    corpus = Corpus(DatasetDict(train=rows), ("a", "b"), "single_label_classification", ())
    assert balanced_weights(corpus) == pytest.approx([4 / (2 * 3), 4 / (2 * 1)])
    rows = Dataset.from_dict({"labels": [[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]})
    corpus = Corpus(DatasetDict(train=rows), ("a", "b"), "multi_label_classification", ())
    assert balanced_weights(corpus) == pytest.approx([1 / 3, 3])
    # Five rows of two of four classes: 5 / (2 * 4) and 5 / (2 * 1); the others do not occur.
    rows = Dataset.from_dict({"labels": [0, 0, 0, 0, 2]})
    corpus = Corpus(DatasetDict(train=rows), ("a", "b", "c", "d"), "single_label_classification", ())
    assert balanced_weights(corpus) == pytest.approx([5 / 8, 1, 5 / 2, 1])
    assert "2 labels have no training rows and get class weight 1: b, d." in capsys.readouterr().out
    rows = Dataset.from_dict({"labels": [[1.0, 0.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]})
    corpus = Corpus(DatasetDict(train=rows), ("a", "b", "c"), "multi_label_classification", ())
    assert balanced_weights(corpus) == pytest.approx([1, 1, 2])
    assert "2 labels are in none or in all of the training rows and get class weight 1: a, b." in (
        capsys.readouterr().out
    )
    with pytest.raises(ValueError, match="cannot be used for a regression"):
        balanced_weights(Corpus(DatasetDict(), ("score",), "regression", ()))


def test_new_model_fits_corpus_and_tokenizer():
    corpus = tiny_corpus()
    model, tokenizer, *_ = build_classifier(corpus, ModelArguments(**SIZES, cell_type="gru", class_weights="balanced"))
    config = model.config
    assert config.vocab_size == len(tokenizer) and config.pad_token_id == tokenizer.pad_token_id
    assert config.id2label == {0: "other", 1: "good"} and config.label2id == {"other": 0, "good": 1}
    assert (config.cell_type, config.hidden_size) == ("gru", 8) and len(config.class_weights) == 2


def test_fine_tuning_keeps_the_backbone_and_renews_the_head(tmp_path):
    corpus = tiny_corpus()
    model, tokenizer, *_ = build_classifier(corpus, ModelArguments(**SIZES, class_weights="balanced"))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    three = Corpus(corpus.splits, ("a", "b", "c"), "single_label_classification", ())
    tuned, *_ = build_classifier(three, ModelArguments(pretrained=str(tmp_path), classifier_dropout=0.25))
    assert tuned.config.num_labels == 3 and tuned.classifier.out_features == 3
    assert tuned.config.classifier_dropout == 0.25 and tuned.config.class_weights is None
    for name, value in model.model.state_dict().items():
        assert torch.equal(tuned.model.state_dict()[name], value)
    with pytest.raises(ValueError, match="has its own layers: remove hidden_size"):
        build_classifier(three, ModelArguments(pretrained=str(tmp_path), hidden_size=9))
    with pytest.raises(ValueError, match="has its own vocabulary: remove tokenizer"):
        build_classifier(three, ModelArguments(pretrained=str(tmp_path), tokenizer="bpe"))


SINGLE, MULTI = "single_label_classification", "multi_label_classification"


@pytest.mark.parametrize(
    ("first", "second", "rows"),
    [
        # For each row of the new head, the row of the old head that it must be equal to.
        ((SINGLE, "other", "good"), (SINGLE, "other", "good"), [0, 1]),
        ((SINGLE, "other", "good"), (SINGLE, "good", "other"), [1, 0]),
        ((SINGLE, "other", "good"), (SINGLE, "good", "bad", "other"), [1, None, 0]),
        ((SINGLE, "other", "good"), (SINGLE, "good", "bad"), [1, None]),
        ((MULTI, "other", "good"), (MULTI, "new", "good"), [None, 1]),
        ((SINGLE, "other", "good"), (SINGLE, "spam", "ham"), [None, None]),
        ((SINGLE, "other", "good"), (MULTI, "other", "good"), [None, None]),
        (("regression", "score"), ("regression", "rating"), [0]),
        (("regression", "score"), (MULTI, "score"), [None]),
    ],
)
def test_rows_of_the_head_are_copied_by_label_name(corpus, splits, tokenizer, tmp_path, first, second, rows):
    ours, others = (Corpus(corpus.splits, names, problem_type, ()) for problem_type, *names in (first, second))
    model = build_model(ours, splits, tokenizer, ModelArguments(**SIZES))
    model.classifier.bias.data = torch.arange(len(first) - 1) + 7.0
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    tuned = build_model(others, splits, tokenizer, ModelArguments(pretrained=str(tmp_path)))
    assert_same_backbone(tuned.model, model.model)
    weights = model.classifier.weight
    for row, source in enumerate(rows):
        if source is None:
            assert not any(torch.equal(tuned.classifier.weight[row], old) for old in weights)
            assert tuned.classifier.weight[row].std().item() == pytest.approx(tuned.config.initializer_range, rel=0.5)
            assert tuned.classifier.bias[row] == 0
        else:
            assert torch.equal(tuned.classifier.weight[row], weights[source])
            assert tuned.classifier.bias[row] == 7 + source


def test_predictions_of_a_regression_start_at_its_scores(tokenizer, tmp_path):
    """Scaled and shifted scores scale and shift the predictions of a new model."""

    def build(scores, **arguments):
        rows = Dataset.from_dict({"input_ids": [[1, 4], [5, 6]], "labels": scores})
        names = tuple("ab"[: len(scores[0])] if isinstance(scores[0], list) else ["a"])
        torch.manual_seed(0)
        corpus = Corpus(DatasetDict(), names, "regression", ())
        return build_model(corpus, DatasetDict(train=rows), tokenizer, ModelArguments(vectors="none", **arguments))

    with torch.no_grad():
        ids = torch.tensor([[1, 5, 6]])
        unit = build([-1.0, 1.0], **SIZES).eval()(ids).logits  # of mean 0 and standard deviation 1
        assert build([40.0, 60.0], **SIZES).eval()(ids).logits.item() == pytest.approx(50 + 10 * unit.item())
        constant = build([3.0, 3.0], **SIZES)
        assert constant.eval()(ids).logits.item() == pytest.approx(3 + unit.item())
    two = build([[0.0, 3.0], [2.0, 9.0]], **SIZES)
    assert two.classifier.bias.tolist() == [1, 6]
    assert (two.classifier.weight[1].norm() / two.classifier.weight[0].norm()).item() == pytest.approx(3, rel=0.5)
    constant.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert build([40.0, 60.0], pretrained=str(tmp_path)).classifier.bias.item() == 3  # a trained head is kept
    assert build([40.0, 60.0], pretrained=str(tmp_path), pooling="max").classifier.bias.item() == 50  # this one is new


def test_head_of_another_pooling_is_new(corpus, splits, tokenizer, tmp_path):
    model = build_model(corpus, splits, tokenizer, ModelArguments(**SIZES, pooling="concat"))
    model.classifier.bias.data.fill_(7.0)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    tuned = build_model(corpus, splits, tokenizer, ModelArguments(pretrained=str(tmp_path), pooling="max"))
    assert tuned.classifier.in_features == 16 and tuned.classifier.bias.tolist() == [0, 0]


def test_tokenizer_is_trained_or_loaded_with_the_model(language_model):
    texts = (text for text in ["a Good film", "a good plot"] * 3)
    trained = build_tokenizer(texts, ModelArguments(tokenizer="word", vocab_size=50))
    assert {"good", "film", "plot"} <= set(trained.get_vocab()) and "Good" not in trained.get_vocab()
    _, folder = language_model
    brought = build_tokenizer(iter(()), ModelArguments(pretrained=folder))
    assert "bad" in brought.get_vocab()
    for field in ({"tokenizer": "bpe"}, {"vocab_size": 50}, {"lowercase": False}):
        with pytest.raises(ValueError, match=f"has its own vocabulary: remove {next(iter(field))}"):
            build_tokenizer(["text"], ModelArguments(pretrained=folder, **field))
    with pytest.raises(FileNotFoundError, match="There is no folder ./absent"):
        build_tokenizer(["text"], ModelArguments(pretrained="./absent"))


def test_embeddings_start_from_vectors_where_tokens_occur(tiny_config):
    rows = Dataset.from_dict({"input_ids": [[4, 5, 6], [4, 7, 6]] * 5})
    model = LstmModel(tiny_config(initializer_range=0.5))
    before = model.embed_tokens.weight.detach().clone()
    start_from_vectors(model, rows)
    expected = torch.from_numpy(train_vectors(rows["input_ids"], 40, 6)) * 0.5
    torch.testing.assert_close(model.embed_tokens.weight[4:8], expected[4:8])
    assert expected[4:8].square().mean().sqrt().item() == pytest.approx(0.5, rel=1e-4)
    others = [i for i in range(40) if not 4 <= i < 8]
    assert torch.equal(model.embed_tokens.weight[others], before[others])


def test_classifier_starts_from_the_layers_of_a_language_model(corpus, splits, tokenizer, language_model):
    model, folder = language_model
    classifier = build_model(corpus, splits, tokenizer, ModelArguments(pretrained=folder, pooling="max"))
    assert_same_backbone(classifier.model, model.model)
    config = classifier.config
    assert (config.bidirectional, config.num_hidden_layers, config.pooling) == (False, 2, "max")
    assert config.id2label == {0: "other", 1: "good"} and classifier.classifier.weight.std() > 0
    for field, value in {"cell_type": "gru", "bidirectional": True, "reverse": True, "embedding_size": 9}.items():
        with pytest.raises(ValueError, match=f"has its own layers: remove {field}"):
            build_model(corpus, splits, tokenizer, ModelArguments(pretrained=folder, **{field: value}))
    same = ModelArguments(pretrained=folder, hidden_size=8, cell_type="lstm")
    assert_same_backbone(build_model(corpus, splits, tokenizer, same).model, model.model)
    with pytest.raises(ValueError, match="has its own embeddings: remove `vectors`"):
        build_model(corpus, splits, tokenizer, ModelArguments(pretrained=folder, vectors="cooccurrence"))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"cell_type": "gru", "hidden_size": 11, "num_hidden_layers": 3},
        {"cell_type": "rnn", "bidirectional": False, "reverse": True},
    ],
)
def test_classifier_of_any_kind_starts_from_vectors(corpus, splits, tokenizer, vectors, fields):
    model, folder = vectors
    classifier = build_model(corpus, splits, tokenizer, ModelArguments(pretrained=folder, **fields))
    assert torch.equal(classifier.get_input_embeddings().weight, model.embed_tokens.weight)
    assert all(getattr(classifier.config, name) == value for name, value in fields.items())
    recurrent = [value for name, value in classifier.model.named_parameters() if "weight_hh" in name]
    assert len(recurrent) == classifier.config.num_hidden_layers * classifier.config.num_directions
    for weight in recurrent:  # initialised as in a new model
        gate = weight[: classifier.config.hidden_size]
        torch.testing.assert_close(gate @ gate.T, torch.eye(len(gate)), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="remove embedding_size"):
        build_model(corpus, splits, tokenizer, ModelArguments(pretrained=folder, embedding_size=9, **fields))


def test_saved_halves_are_trained_in_single_precision(corpus, splits, tokenizer, language_model, tmp_path):
    model, _ = language_model
    halves = {name: value.half() for name, value in model.state_dict().items()}
    model.save_pretrained(tmp_path, state_dict=dict(halves))
    tokenizer.save_pretrained(tmp_path)
    classifier = build_model(corpus, splits, tokenizer, ModelArguments(pretrained=str(tmp_path)))
    assert {parameter.dtype for parameter in classifier.parameters()} == {torch.float32}
    for name, value in classifier.model.state_dict().items():
        assert torch.equal(value, halves[f"model.{name}"].float())


def test_same_seed_makes_the_same_model(corpus, splits, tokenizer):
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(build_model(corpus, splits, tokenizer, ModelArguments(**SIZES)))
    assert isinstance(made[0], LstmForSequenceClassification)
    assert_same_backbone(*made)


def test_weights_that_are_new_are_printed(corpus, splits, tokenizer, language_model, capsys):
    _, folder = language_model
    build_model(corpus, splits, tokenizer, ModelArguments(pretrained=folder))
    # One embedding table and four tensors in each of two layers are loaded.
    assert f"Loaded 9 weight tensors from {folder}; initialised: classifier.bias, classifier.weight." in (
        capsys.readouterr().out
    )


def test_a_saved_tokenizer_is_loaded_from_its_folder(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = build_tokenizer(iter(()), ModelArguments(tokenizer=str(tmp_path)))
    assert loaded.get_vocab() == tokenizer.get_vocab()
    with pytest.raises(ValueError, match="has its own vocabulary: remove vocab_size"):
        build_tokenizer(iter(()), ModelArguments(tokenizer=str(tmp_path), vocab_size=50))
    with pytest.raises(ValueError, match="word or the folder of a saved tokenizer, got 'wrod'"):
        build_tokenizer(iter(()), ModelArguments(tokenizer="wrod"))


CHINESE = [f"这部电影{word}，我{word}这个演员" for word in ("很好看", "不好看", "喜欢", "讨厌")] * 5


def test_texts_without_spaces_get_a_bpe_tokenizer_by_default(capsys):
    for texts in (CHINESE, iter(CHINESE)):
        tokenizer = build_tokenizer(texts, ModelArguments(vocab_size=400))
        ids = tokenizer("这部电影很好看，我讨厌这个剧本")["input_ids"]
        assert tokenizer.unk_token_id not in ids and len(ids) > 3
        # One of 15 characters is a comma.
        assert capsys.readouterr().out.startswith("93% of the characters are in scripts without spaces")


def test_other_texts_and_a_chosen_kind_are_kept(capsys):
    english = ["a good film"] * 10
    for texts, kind in ((english + ["很好"], "word"), (CHINESE, "wordpiece")):
        tokenizer = build_tokenizer(texts, ModelArguments(tokenizer=kind, vocab_size=400))
        assert type(tokenizer.backend_tokenizer.model).__name__.lower() in ("wordlevel", "wordpiece")
    assert capsys.readouterr().out == ""


def test_words_of_the_source_alone_have_their_vectors_in_the_model(corpus, tmp_path, capsys):
    (tmp_path / "words.txt").write_text("good 3 0\nbad -3 0\nscene 0 4\nNew 5 5\nnew york 5 5\n")
    args = ModelArguments(vectors=str(tmp_path / "words.txt"), hidden_size=8)
    vocabulary = build_vector_vocabulary(corpus.splits["train"]["text"], args)
    assert "2 of 5 training words have one" in capsys.readouterr().out
    splits = tokenize_corpus(corpus.splits, vocabulary.tokenizer)
    args.embedding_size = 2
    model = build_model(corpus, splits, vocabulary.tokenizer, args, vocabulary.vectors)
    embeddings = model.get_input_embeddings().weight
    # Special tokens, the five words of the texts and "scene"
    assert embeddings.shape == (10, 2) and len(vocabulary.tokenizer) == 10
    good, bad, scene, film = vocabulary.tokenizer.convert_tokens_to_ids(["good", "bad", "scene", "film"])
    scale = model.config.initializer_range / ((9 + 9 + 16) / 6) ** 0.5
    torch.testing.assert_close(embeddings[[good, bad, scene]], torch.tensor([[3.0, 0], [-3, 0], [0, 4]]) * scale)
    assert embeddings[film].abs().sum() > 0


def test_sources_of_vectors_are_not_combined_with_other_vocabularies():
    with pytest.raises(ValueError, match="has its own embeddings: remove `vectors`"):
        ModelArguments(pretrained="x", vectors="words.txt")
    with pytest.raises(ValueError, match="requires `tokenizer` word or wordpiece"):
        ModelArguments(vectors="words.txt", tokenizer="bpe")
    assert ModelArguments(pretrained="x", vectors="none").vector_source is None


def test_vectors_of_words_need_spaces_between_words(tmp_path):
    (tmp_path / "a.txt").write_text("好 1 2\n", encoding="utf-8")
    args = ModelArguments(vectors=str(tmp_path / "a.txt"))
    with pytest.raises(ValueError, match="100% of the characters are in scripts without spaces"):
        build_vector_vocabulary(["我很喜欢这部电影", "不好看"], args)
