import csv

from hf_lstm.tuning.report import Summary, describe_trial, format_options
from hf_lstm.tuning.study import TrialRow

ROWS = [
    TrialRow(0, {}, "complete", 0.8, 2.0, 1.5, 10.0),
    TrialRow(1, {"cell_type": "gru", "teacher": ["linear", "latent"]}, "complete", 0.9, 3.0, 2.0, 12.0),
    TrialRow(2, {"hidden_size": 256}, "too large", None, 9.0, 4.0, 0.5),
]


def summary(baseline, greater_is_better=True) -> Summary:
    best = ROWS[1] if greater_is_better else ROWS[0]
    return Summary(ROWS, best, "accuracy", greater_is_better, baseline, "200 validation texts", 60.0)


def test_a_line_has_options_and_outcome():
    assert format_options(ROWS[1]) == "cell_type gru, teacher linear latent"
    assert format_options(
        TrialRow(3, {"num_train_epochs": 2.0, "learning_rate": 0.0015}, "", None, None, None, 0.0)
    ) == ("num_train_epochs 2, learning_rate 0.0015")
    assert describe_trial(ROWS[0], "accuracy").split() == (
        ["trial", "0", "accuracy", "0.8000", "2.00", "MB", "1.50", "ms", "10.0", "s", "default", "options"]
    )
    assert describe_trial(ROWS[2], "accuracy").endswith("hidden_size 256  [too large]")


def test_a_better_baseline_is_reported():
    worse, better, none = (" ".join(summary(baseline).sentences()) for baseline in (0.85, 0.95, None))
    assert "TF-IDF + LR has accuracy 0.8500." in worse and "3 trials, 2 completed, in 60 s" in worse
    assert "TF-IDF + LR is better, with accuracy 0.9500" in better
    assert "TF-IDF" not in none and "trial 1: accuracy 0.9000, 3.00 MB, 2.00 ms" in none
    assert "TF-IDF + LR is better, with accuracy 0.7000" in " ".join(summary(0.7, greater_is_better=False).sentences())


def test_table_and_plot_are_written(tmp_path):
    summary(0.85).write(tmp_path)
    with open(tmp_path / "trials.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["trial"] for line in table] == ["", "0", "1", "2"] and table[0]["options"] == "TF-IDF + LR"
    assert table[2]["accuracy"] == "0.9000" and table[3]["accuracy"] == "" and table[3]["outcome"] == "too large"
    assert (tmp_path / "trials.png").stat().st_size > 5_000
