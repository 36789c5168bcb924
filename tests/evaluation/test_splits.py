import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from hf_lstm.data import Corpus, load_corpus
from hf_lstm.evaluation.splits import align_labels, load_labelled


def corpus_of(names, problem_type, labels) -> Corpus:
    rows = Dataset.from_dict({"text": ["x"] * len(labels), "labels": labels})
    return Corpus(DatasetDict(test=rows), tuple(names), problem_type, ())


def config_of(tiny_config, names, problem_type):
    return tiny_config(
        id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}, problem_type=problem_type
    )


def test_class_ids_are_matched_by_label_name(tiny_config):
    corpus = corpus_of(["pos", "neg"], "single_label_classification", [0, 1, 1])
    config = config_of(tiny_config, ["neg", "neutral", "pos"], "single_label_classification")
    assert align_labels(corpus.splits["test"], corpus, config)["labels"][:] == [2, 0, 0]


def test_multi_label_indicators_are_matched_by_label_name(tiny_config):
    corpus = corpus_of(["b", "a"], "multi_label_classification", [[1.0, 0.0], [1.0, 1.0]])
    config = config_of(tiny_config, ["a", "b", "c"], "multi_label_classification")
    assert align_labels(corpus.splits["test"], corpus, config)["labels"][:] == [[0, 1, 0], [1, 1, 0]]


def test_unknown_label_and_other_problem_type_raise_an_error(tiny_config):
    config = config_of(tiny_config, ["neg", "pos"], "single_label_classification")
    corpus = corpus_of(["pos", "mixed"], "single_label_classification", [0, 1])
    with pytest.raises(ValueError, match="label 'mixed', which the model does not have.*neg, pos"):
        align_labels(corpus.splits["test"], corpus, config)
    corpus = corpus_of(["score"], "regression", [0.5, 1.5])
    with pytest.raises(ValueError, match="for regression, but the model was trained for single_label"):
        align_labels(corpus.splits["test"], corpus, config)


SINGLE, MULTI = "single_label_classification", "multi_label_classification"


def write(path, header, *rows):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def test_rows_of_one_class_are_all_used(tiny_config, tmp_path):
    path = write(tmp_path / "rows.csv", "text,label", *(f"text {i},good" for i in range(9)))
    name, rows, notes = load_labelled(path, config_of(tiny_config, ["bad", "good"], SINGLE))
    assert name == "all" and rows["text"][:] == [f"text {i}" for i in range(9)] and rows["labels"][:] == [1] * 9
    assert notes == (
        f"Evaluated on 9 rows of {path}: texts in column 'text', labels in 'label'.",
        "Rows with each label: bad 0, good 9.",
    )


def test_two_rows_and_one_row_are_enough(tiny_config, tmp_path):
    config = config_of(tiny_config, ["bad", "good"], SINGLE)
    assert load_labelled([{"text": "a", "label": "good"}], config).rows["labels"][:] == [1]
    path = write(tmp_path / "rows.csv", "text,label", "a,good", "b,bad")
    name, rows, _ = load_labelled(path, config)
    assert name == "all" and rows["text"][:] == ["a", "b"] and rows["labels"][:] == [1, 0]


def test_label_columns_are_given_as_a_list(tiny_config):
    table = [{"text": "a", "grade": "good", "x": 1, "y": 0}, {"text": "b", "grade": "bad", "x": 1, "y": 1}]
    single = config_of(tiny_config, ["bad", "good"], SINGLE)
    assert load_labelled(table, single, label_column=["grade"]).rows["labels"][:] == [1, 0]
    multi = config_of(tiny_config, ["x", "z", "y"], MULTI)
    _, rows, notes = load_labelled(table, multi, label_column=["x", "y"])
    assert rows["labels"][:] == [[1, 0, 0], [1, 0, 1]]
    assert "labels in 'x, y'" in notes[0] and notes[1] == "Rows with each label: x 2, z 0, y 1."
    for columns, message in (
        (["x", "x"], "names 'x' 2 times"),
        (["x", "no"], "has no column 'no'"),
        (["x", "text"], "'text' of .* cannot be both"),
    ):
        with pytest.raises(ValueError, match=message):
            load_labelled(table, multi, label_column=columns)


def test_only_the_used_split_is_read_and_reported(tiny_config):
    config = config_of(tiny_config, ["bad", "good"], SINGLE)
    table = {split: [{"text": f"{split} text", "label": "good"}] for split in ("train", "validation", "extra")}
    table["train"].append({"text": "x", "label": "a label of no model"})
    name, rows, notes = load_labelled(table, config)
    assert name == "validation" and rows["text"][:] == ["validation text"]
    assert notes[0].startswith("Evaluated on 1 row of the validation split of the dictionary") and len(notes) == 2
    assert load_labelled(table, config, split="extra").rows["text"][:] == ["extra text"]
    with pytest.raises(ValueError, match="has labels that the model does not have: 'a label of no model'"):
        load_labelled(table, config, split="train")


def test_split_without_labels_is_not_the_default(tiny_config):
    config = config_of(tiny_config, ["0", "1"], SINGLE)
    for hidden in (None, -1):
        table = {
            "test": [{"text": "a", "label": hidden}, {"text": "b", "label": hidden}],
            "validation": [{"text": "c", "label": 1}],
        }
        name, rows, notes = load_labelled(table, config)
        assert name == "validation" and rows["labels"][:] == [1] and "label" in notes[0]
        with pytest.raises(ValueError, match="Column 'label' of the dictionary has no label in test"):
            load_labelled(table, config, split="test")


def test_unknown_labels_are_named_with_their_numbers_of_rows(tiny_config, tmp_path):
    path = write(tmp_path / "rows.csv", "text,label", "a,good", "b,mixed", "c,meh", "d,mixed", "e,")
    with pytest.raises(ValueError) as error:
        load_labelled(path, config_of(tiny_config, ["bad", "good"], SINGLE))
    assert str(error.value) == (
        f"{path} has labels that the model does not have: 'mixed' (2 rows), 'meh' (1 row); correct or remove these "
        "rows. The labels of the model are: bad, good."
    )


def test_rows_without_text_or_label_are_skipped_and_counted(tiny_config):
    table = [{"text": "a", "label": "good"}, {"text": None, "label": "bad"}, {"text": "c", "label": None}]
    _, rows, notes = load_labelled(table, config_of(tiny_config, ["bad", "good"], SINGLE))
    assert rows["text"][:] == ["a"]
    assert any("1 row" in note and "without a text" in note for note in notes)
    assert any("1 row" in note and "without a label" in note for note in notes)


def test_class_ids_of_a_dataset_are_matched_by_name(tiny_config):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["pos", "neg"])})
    table = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features=features)
    assert load_labelled(table, config_of(tiny_config, ["neg", "neutral", "pos"], SINGLE)).rows["labels"][:] == [2, 0]


def test_numbers_are_read_as_the_model_names_them(tiny_config, tmp_path):
    path = write(tmp_path / "rows.csv", "text,label", "a,1.0", "b,1.10", "c,2")
    assert load_labelled(path, config_of(tiny_config, ["1", "1.10", "2"], SINGLE)).rows["labels"][:] == [0, 1, 2]
    assert load_labelled(path, config_of(tiny_config, ["1.10", "2", "1.0"], SINGLE)).rows["labels"][:] == [2, 0, 1]


def test_several_labels_of_a_text(tiny_config):
    config = config_of(tiny_config, ["a", "b", "c"], MULTI)
    table = [{"text": "x", "labels": ["c", "a"]}, {"text": "y", "labels": []}]
    assert load_labelled(table, config).rows["labels"][:] == [[1, 0, 1], [0, 0, 0]]
    vectors = [{"text": "x", "labels": [0, 1, 1]}, {"text": "y", "labels": [0, 0, 0]}]
    assert load_labelled(vectors, config).rows["labels"][:] == [[0, 1, 1], [0, 0, 0]]
    joined = [{"text": "x", "labels": "c|a"}, {"text": "y", "labels": "b"}]
    assert load_labelled(joined, config, label_separator="|").rows["labels"][:] == [[1, 0, 1], [0, 1, 0]]
    with pytest.raises(ValueError, match="'d' .1 row"):
        load_labelled([{"text": "x", "labels": ["a", "d"]}], config)


def test_one_label_is_expected_where_the_model_predicts_one(tiny_config):
    config = config_of(tiny_config, ["a", "b"], SINGLE)
    assert load_labelled([{"text": "x", "labels": ["b"]}], config).rows["labels"][:] == [1]
    with pytest.raises(ValueError, match="has 2 labels in row 2, but the model predicts exactly one for each text"):
        load_labelled([{"text": "x", "labels": ["b"]}, {"text": "y", "labels": ["a", "b"]}], config)


def test_scores_are_in_the_column_that_the_model_was_trained_on(tiny_config):
    config = config_of(tiny_config, ["stars"], "regression")
    table = [{"text": "x", "stars": 3, "label": "good"}, {"text": "y", "stars": 4, "label": "bad"}]
    assert load_labelled(table, config).rows["labels"][:] == [3.0, 4.0]
    with pytest.raises(ValueError, match="the label 'good' .row 1., which is not a finite number"):
        load_labelled(table, config, label_column="label")


def test_training_splits_are_made_only_on_request(tiny_config, tmp_path):
    path = write(tmp_path / "rows.csv", "text,label", *(f"text {i},{'good' if i % 2 else 'bad'}" for i in range(40)))
    config = config_of(tiny_config, ["good", "bad"], SINGLE)
    assert len(load_labelled(path, config).rows) == 40
    name, rows, notes = load_labelled(path, config, split="test")
    expected = load_corpus(path).splits["test"]
    assert name == "test" and rows["text"][:] == expected["text"][:] and len(rows) == 4
    assert rows["labels"][:] == [1 - label for label in expected["labels"]]
    assert any("became the test split" in note for note in notes)
    with pytest.raises(ValueError, match="has no split 'dev'; choose one of: train, validation, test"):
        load_labelled(path, config, split="dev")


def test_bundled_reviews_are_the_default(tiny_config):
    name, rows, _ = load_labelled(None, config_of(tiny_config, ["negative", "positive"], SINGLE))
    assert name == "test" and len(rows) == 2000 and sum(rows["labels"][:]) == 1000
