import json

from huggingface_hub import ModelCard

from hf_lstm.evaluation.cost import describe_machine
from hf_lstm.hub.model_card import build_card, metrics_table, save_metrics

METRICS = {
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


def test_table_has_a_row_per_figure_and_blanks_where_there_is_none():
    table = metrics_table({"ours": {"accuracy": 0.75, "f1_macro": 0.7}, "rival": {"accuracy": 0.25}})
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert cells[0] == ["", "ours", "rival"]
    assert cells[2:] == [["Accuracy", "0.7500", "0.2500"], ["F1 (macro)", "0.7000", ""]]


def test_card_holds_the_recorded_figures(tiny_config, tmp_path):
    build_card(tiny_config(), "runs/reviews", METRICS, 'They said "no".').save(tmp_path / "README.md")
    card = ModelCard.load(tmp_path / "README.md")
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert results == {"accuracy": 0.75, "f1_macro": 0.7}
    assert {result.dataset_split for result in card.data.eval_results} == {"test"}
    assert card.data.model_name == "reviews" and card.data.datasets == ["owner/reviews"]
    assert (card.data.license, card.data.language, card.data.metrics) == ("apache-2.0", "en", ["accuracy", "f1_macro"])
    for expected in ("| Accuracy", "0.2500", METRICS["training"]["command"], "a machine", r"\"no\"", '"runs/reviews"'):
        assert expected in card.text


def test_card_says_how_sure_the_figures_are_and_what_they_cost(tiny_config):
    text = build_card(tiny_config(), "x", METRICS).text
    assert "0.7100 to 0.7900" in text and "4.3 MB in all" in text and "1,234 texts" in text
    assert "Known failures" not in text and "What was tried" not in text


def test_card_shows_failures_and_what_was_tried(tiny_config):
    example = {"text": "no | yes", "label": "good", "predicted": "bad", "score": 0.987}
    failures = {"on": "our texts", "accuracy": 0.625, "examples": [example]}
    tried = [["what", "validation"], ["a wider one", "0.9"]]
    text = build_card(tiny_config(), "x", METRICS | {"failures": failures, "tried": tried}).text
    assert "On our texts it is right in 62.5%" in text
    assert "| no \\| yes | bad" in text and "| 0.99" in text and "| a wider one | 0.9" in text


def test_card_says_how_far_scores_can_be_believed(tiny_config):
    config = tiny_config(problem_type="single_label_classification", label_smoothing=0.1)
    text = build_card(config, "x", METRICS).text
    assert "as probabilities they were not calibrated (it was trained with label smoothing 0.1)" in text
    assert "learned from the labelled training texts alone" in text
    figures = {"test": {"model": {"accuracy": 0.75, "calibration_error": 0.0625}}}
    text = build_card(config, "x", METRICS | {"figures": figures}).text
    assert "label smoothing 0.1): on the test split" in text and "by 0.062 on average" in text
    assert "not calibrated" not in text and "The linear model" not in text


def test_card_of_a_local_corpus_names_no_hub_dataset(tiny_config):
    card = build_card(tiny_config(), "x", METRICS | {"dataset": "my.csv", "dataset_on_hub": False})
    assert card.data.datasets is None


def test_card_without_figures_says_so(tiny_config):
    card = build_card(tiny_config(bidirectional=False), "owner/name")
    assert "nothing measured" in card.text and "## Figures" not in card.text and card.data.eval_results is None
    assert "needs the whole text" not in card.text
    assert "needs the whole text" in build_card(tiny_config(), "owner/name").text


def test_metrics_are_json(tmp_path):
    save_metrics(METRICS, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == METRICS


def test_machine_names_versions():
    import torch

    assert torch.__version__ in describe_machine() and "cores" in describe_machine()
