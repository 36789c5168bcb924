import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from hf_lstm.hub.model_card import build_card, metrics_table, save_metrics, write_card

RECORD = {
    "name": "reviews",
    "dataset": "owner/reviews",
    "dataset_on_hub": True,
    "language": "en",
    "license": "apache-2.0",
    "notes": ["Read owner/reviews: train 10 rows."],
    "splits": {"train": 10, "validation": 2, "test": 4},
    "figures": {
        "validation": {"model": {"accuracy": 0.5}},
        "test": {
            "model": {"accuracy": 0.75, "accuracy_interval": [0.71, 0.79], "f1_macro": 0.7},
            "baseline": {"accuracy": 0.25},
        },
    },
    "training": {
        "command": "python scripts/train.py --dataset owner/reviews",
        "epochs": 3.0,
        "seconds": 12.3,
        "precision": "fp32",
        "seed": 42,
        "metric": "accuracy",
        "parameters": 1234,
    },
    "machine": "a machine",
    "bytes": 4_321_000,
    "texts_per_second": 1234.5,
}


def test_table_has_one_row_per_metric_and_empty_cells():
    table = metrics_table({"ours": {"accuracy": 0.75, "f1_macro": 0.7}, "baseline": {"accuracy": 0.25}})
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert cells[0] == ["", "ours", "baseline"]
    assert cells[2:] == [["Accuracy", "0.7500", "0.2500"], ["F1 (macro)", "0.7000", ""]]


def test_card_contains_the_recorded_metrics(tiny_config, tmp_path):
    build_card(tiny_config(), "runs/reviews", RECORD, 'They said "no".').save(tmp_path / "README.md")
    card = ModelCard.load(tmp_path / "README.md")
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert results == {"accuracy": 0.75, "f1_macro": 0.7}
    assert {result.dataset_split for result in card.data.eval_results} == {"test"}
    assert card.data.model_name == "reviews" and card.data.datasets == ["owner/reviews"]
    assert (card.data.license, card.data.language, card.data.metrics) == ("apache-2.0", "en", ["accuracy", "f1_macro"])
    for expected in ("| Accuracy", "0.2500", RECORD["training"]["command"], "a machine", r"\"no\"", '"runs/reviews"'):
        assert expected in card.text


def test_card_contains_intervals_size_and_speed(tiny_config):
    text = build_card(tiny_config(), "x", RECORD).text
    assert "0.7100 to 0.7900" in text and "has 4.3 MB" in text and "1,234 texts of the test split per second" in text
    assert "1,234 parameters, 3 epochs in 12 s, fp32, seed 42" in text
    assert "Known errors" not in text and "Steps:" not in text


def test_card_lists_known_errors(tiny_config):
    example = {"text": "no\nor yes", "label": "good", "predicted": "bad", "score": 0.987}
    failures = {"on": "our texts", "accuracy": 0.625, "examples": [example]}
    text = build_card(tiny_config(), "x", RECORD | {"failures": failures}).text
    assert "The accuracy on our texts is 0.625." in text
    assert '- predicted bad (0.99), label good: "no or yes"\n' in text


def test_card_lists_the_steps_of_a_checkpoint(tiny_config):
    steps = [
        {"command": "first", "seconds": None, "machine": None},
        {"command": "second", "seconds": 1234.5, "machine": "a machine; versions"},
    ]
    text = build_card(tiny_config(), "x", RECORD | {"steps": steps, "reproduce": "all steps"}).text
    assert "1. `first` (time not recorded)\n2. `second` (1,234 s, a machine)\n" in text
    assert "`all steps`" in text and "(../README.md)" in text


def test_card_describes_the_calibration(tiny_config):
    config = tiny_config(problem_type="single_label_classification", label_smoothing=0.1)
    text = build_card(config, "x", RECORD).text
    assert "use them to rank, not as probabilities. The model was trained with label smoothing 0.1." in text
    assert "The TF-IDF model was trained on the labelled training texts only." in text
    figures = {"test": {"model": {"accuracy": 0.75, "calibration_error": 0.0625}}}
    text = build_card(config, "x", RECORD | {"figures": figures}).text
    assert "on the test split, the score of the predicted label and the accuracy differ by 0.062 on average" in text
    assert "not as probabilities" not in text and "TF-IDF" not in text


def test_local_corpus_is_named_without_its_path(tiny_config):
    card = build_card(tiny_config(), "x", RECORD | {"dataset": "/private/my.csv", "dataset_on_hub": False})
    assert card.data.datasets is None and {result.dataset_name for result in card.data.eval_results} == {"my"}
    assert "/private" not in str(card)


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification", "regression"])
def test_card_without_record_has_no_results(tiny_config, problem_type):
    config = tiny_config(bidirectional=False, problem_type=problem_type, num_labels=2)
    card = build_card(config, "owner/name")
    assert "No training or evaluation is recorded" in card.text and "## Results" not in card.text
    assert card.data.eval_results is None and "needs the whole text" not in card.text
    assert ("returns one of its labels" in card.text) == (problem_type == "single_label_classification")
    assert ("`threshold` in `config.json`" in card.text) == (problem_type == "multi_label_classification")
    assert ("The labels are: LABEL_0, LABEL_1." in card.text) == (problem_type != "regression")


def test_model_that_reads_from_the_end_cannot_stream(tiny_config):
    for fields, direction in (({}, "in both directions"), ({"bidirectional": False, "reverse": True}, "from the end")):
        text = build_card(tiny_config(**fields), "owner/name").text
        assert f"The model reads texts {direction}, so it needs the whole text and cannot be used for streaming" in text
    assert "cannot be used for streaming" not in build_card(tiny_config(bidirectional=False), "owner/name").text


def test_labels_and_texts_have_no_meaning_in_markdown(tiny_config):
    names = ("<b>x</b>", "a|b*\nc_d", "_e_")
    config = tiny_config(id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)})
    example = {"text": "see [this](url) `now`", "label": "<b>x</b>", "predicted": "a|b*\nc_d", "score": 0.5}
    failures = {"on": "our texts", "accuracy": 0.5, "examples": [example]}
    text = build_card(config, "x", RECORD | {"failures": failures, "notes": ["Labels: a\n<b>."]}).text
    assert r"The labels are: \<b\>x\</b\>, a\|b\* c_d, \_e\_." in text and "\n- Labels: a \\<b>.\n" in text
    assert r'- predicted a\|b\* c_d (0.50), label \<b\>x\</b\>: "see \[this\](url) \`now\`"' in text


def test_many_labels_are_counted(tiny_config):
    text = build_card(tiny_config(num_labels=500), "x").text
    assert "LABEL_7 and 492 others." in text and "LABEL_8" not in text


def test_card_is_written_from_the_files_of_a_folder(tiny_config, tmp_path):
    config = tiny_config(problem_type="single_label_classification")
    config.save_pretrained(tmp_path)
    save_metrics(RECORD, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == RECORD
    write_card(tmp_path, "owner/reviews", "An example.")
    expected = build_card(config, "owner/reviews", RECORD, "An example.")
    assert ModelCard.load(tmp_path / "README.md").text == expected.text
    write_card(tmp_path)
    assert f'model="{tmp_path}"' in (tmp_path / "README.md").read_text()


def test_template_is_package_data():
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert "hub/card_template.md" in pyproject
