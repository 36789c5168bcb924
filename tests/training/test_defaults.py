import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from hf_lstm.training.arguments import ClassifierTrainingArguments, ModelArguments
from hf_lstm.training.defaults import default_epochs, resolve_defaults

SINGLE, MULTI = "single_label_classification", "multi_label_classification"


def make_splits(tokens: int, texts: int = 10, feature=None) -> DatasetDict:
    """Training rows with this many tokens in all; the validation rows must not count."""
    lengths = [tokens // texts] * (texts - 1)
    feature = feature or ClassLabel(names=["a", "b"])
    label = [0.0, 1.0] if isinstance(feature, List) else 0
    train = {"length": [*lengths, tokens - sum(lengths)], "labels": [label] * texts}
    train = Dataset.from_dict(train, Features({"length": Value("int64"), "labels": feature}))
    return DatasetDict(train=train, validation=Dataset.from_dict({"length": [10**7]}))


def resolve(splits, problem_type=SINGLE, model=None, **fields):
    return resolve_defaults(splits, problem_type, model or ModelArguments(), ClassifierTrainingArguments("x", **fields))


def test_default_epochs_read_about_80_000_texts():
    assert [default_epochs(n) for n in (10, 5_000, 22_500, 1_000_000)] == [30, 16, 5, 5]
    assert [default_epochs(n, is_large=True) for n in (10, 5_000, 22_500, 1_000_000)] == [30, 16, 4, 3]


def test_a_corpus_is_large_from_a_million_training_tokens():
    small, large = resolve(make_splits(999_999, 40_000)), resolve(make_splits(1_000_000, 40_000))
    assert (small.training.num_train_epochs, small.model.embedding_dropout) == (5, None)
    assert (large.training.num_train_epochs, large.model.embedding_dropout) == (3, 0.3)
    assert "999,999 training tokens (a small corpus)" in str(small)
    assert "1,000,000 training tokens (a large corpus)" in str(large) and "embedding_dropout 0.3" in str(large)


@pytest.mark.parametrize(("problem_type", "size"), [(SINGLE, 0.5), (MULTI, 0.5), ("regression", 0)])
def test_classification_is_adversarial_and_starts_from_cooccurrence(problem_type, size):
    resolved = resolve(make_splits(100), problem_type)
    assert (resolved.training.adversarial_size, resolved.model.vectors) == (size, "cooccurrence")


def test_arguments_that_were_set_are_kept_and_none_is_modified():
    model = ModelArguments(embedding_dropout=0.2, vectors="none", label_smoothing=0.3)
    args = ClassifierTrainingArguments("x", adversarial_size=0.0, num_train_epochs=2, metric_for_best_model="f1_macro")
    before = (dict(vars(model)), dict(vars(args)))
    resolved = resolve_defaults(make_splits(2_000_000), SINGLE, model, args)
    assert resolved.chosen == {} and resolved.model == model
    assert (resolved.training.adversarial_size, resolved.training.num_train_epochs) == (0, 2)
    assert (dict(vars(model)), dict(vars(args))) == before
    open_args = ClassifierTrainingArguments("x")
    resolve_defaults(make_splits(100), SINGLE, ModelArguments(), open_args)
    assert open_args.num_train_epochs is None and open_args.adversarial_size is None


def test_embeddings_and_dropout_of_a_saved_model_are_kept_in_a_large_corpus():
    model = resolve(make_splits(2_000_000), model=ModelArguments(pretrained="x")).model
    assert (model.vectors, model.embedding_dropout) == ("none", None)


@pytest.mark.parametrize(
    ("feature", "problem_type", "smoothing"),
    [
        (ClassLabel(names=["a", "b"]), SINGLE, 0.1),
        (List(Value("float32"), length=2), SINGLE, 0.0),  # soft labels of teachers
        (List(Value("float32"), length=2), MULTI, 0.0),
    ],
)
def test_only_hard_labels_are_smoothed(feature, problem_type, smoothing):
    assert resolve(make_splits(100, feature=feature), problem_type).model.label_smoothing == smoothing


@pytest.mark.parametrize("size", [0.0, 0.5])
def test_adversarial_training_has_as_many_epochs(size):
    assert resolve(make_splits(100, texts=5_000), adversarial_size=size).training.num_train_epochs == 16


def test_gradual_unfreezing_has_an_epoch_for_each_layer():
    model = ModelArguments(num_hidden_layers=4)
    resolved = resolve(make_splits(2_000_000, texts=80_000), model=model, gradual_unfreezing=True)
    assert resolved.training.num_train_epochs == 6  # head, four layers, embeddings


@pytest.mark.parametrize(
    ("problem_type", "metric", "greater"),
    [(SINGLE, "accuracy", True), (MULTI, "f1_macro", True), ("regression", "mse", False)],
)
def test_main_metric_chooses_the_checkpoint(problem_type, metric, greater):
    training = resolve(make_splits(100), problem_type).training
    assert (training.metric_for_best_model, training.greater_is_better) == (metric, greater)


def test_loss_chooses_the_checkpoint_if_wanted():
    training = resolve(make_splits(100), metric_for_best_model="eval_loss").training
    assert (training.metric_for_best_model, training.greater_is_better) == ("loss", False)


@pytest.mark.parametrize(
    ("problem_type", "metric", "greater"),
    [
        (SINGLE, "f1_weighted", True),
        (SINGLE, "loss", False),
        (SINGLE, "matthews_correlation", True),
        (MULTI, "roc_auc", True),
        ("regression", "eval_mae", False),
        ("regression", "mse", False),
        ("regression", "r2", True),
    ],
)
def test_the_best_value_of_a_metric_is_known(problem_type, metric, greater):
    training = resolve(make_splits(100), problem_type, metric_for_best_model=metric).training
    assert (training.metric_for_best_model, training.greater_is_better) == (metric.removeprefix("eval_"), greater)
    training = resolve(make_splits(100), problem_type, metric_for_best_model=metric, greater_is_better=True).training
    assert training.greater_is_better


@pytest.mark.parametrize(
    ("problem_type", "metric", "known"),
    [(SINGLE, "f1", "loss, accuracy, f1_macro"), (MULTI, "accuracy", "f1_micro"), ("regression", "f1", "mse, mae, r2")],
)
def test_unknown_metric_is_refused_with_the_known_ones(problem_type, metric, known):
    with pytest.raises(ValueError, match=f"`metric_for_best_model` must be one of .*{known}.*, got '{metric}'."):
        resolve(make_splits(100), problem_type, metric_for_best_model=metric)
