"""The README is short, its commands exist, and its code runs."""

import ast
import re
import shlex

import pandas as pd
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict
from helpers import OPINIONS, ROOT

from hf_lstm import load_classifier, train_classifier
from hf_lstm.cli.commands import COMMANDS, main
from hf_lstm.data import build_sample_reviews
from hf_lstm.hub import TrainedClassifier

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Every README of the repository has commands for users.
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "model_cards").rglob("README.md"))) if path.is_file()]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """The words of each `hf-lstm` command in the shell blocks."""
    joined = "\n".join(blocks(text, "bash")).replace("\\\n", " ")
    parts = re.findall(r"(?:^|\| |\$ )hf-lstm (.*?)(?:$|#| [<|] )", joined, flags=re.MULTILINE)
    return [shlex.split(part) for part in parts]


def test_readme_is_for_a_new_user():
    assert len(README.splitlines()) <= 260 and len(README.encode()) <= 15_360


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_link_targets_exist(page):
    text = page.read_text(encoding="utf-8")
    headings = {re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).strip().replace(" ", "-")
                for line in text.splitlines() if line.startswith("#")}  # fmt: skip
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        assert (page.parent / path).exists(), target
        assert path or anchor in headings, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_commands_and_options_exist(page, capsys):
    helps = {}
    for name in COMMANDS:
        with pytest.raises(SystemExit):
            main([name, "--help_all" if name in ("train", "pretrain") else "--help"])
        helps[name] = capsys.readouterr().out.replace("--[no_]", "--no_") + " --help --help_all"
        helps[name] += helps[name].replace("--no_", "--")
    for words in commands(page.read_text(encoding="utf-8")):
        assert words[0] in COMMANDS, words
        for option in (word for word in words[1:] if word.startswith("--")):
            assert re.search(rf"{option}\b", helps[words[0]]), (words[0], option)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the Python block of the README that has all of these words, in a folder with the model cards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model_cards").symlink_to(ROOT / "model_cards")

    def run(*words: str, replace: dict[str, str] | None = None, **names) -> dict:
        (code,) = [block for block in blocks(README, "python") if all(word in block for word in words)]
        for old, new in (replace or {}).items():
            assert old in code
            code = code.replace(old, new)
        exec(compile(code, "README.md", "exec"), names)
        return names

    return run


def table_of_opinions() -> pd.DataFrame:
    return pd.DataFrame(
        {"text": OPINIONS, "label": ["positive" if "good" in text else "negative" for text in OPINIONS]}
    )


# Words that select each block; each has its test below.
PYTHON_BLOCKS = {
    "pipeline": ("pipeline", "lstm-sentiment-small"),
    "train": ("import load_classifier, train_classifier",),
    "by hand": ("Trainer(",),
    "stream": ("StreamingClassifier(",),
    "batches": ("BatchPredictor(",),
    "state": ("output.state",),
}


def test_every_python_block_is_run():
    for block in blocks(README, "python"):
        assert sum(all(word in block for word in words) for words in PYTHON_BLOCKS.values()) == 1, block


def test_pipeline_gives_the_printed_score(run):
    names = run(*PYTHON_BLOCKS["pipeline"])
    printed = re.search(r"# \[(\{.*\})\]", README)[1]
    (result,) = names["classify"]("A touching story, beautifully told, and not a dull minute in it.")
    expected = ast.literal_eval(printed)
    assert result["label"] == expected["label"] and result["score"] == pytest.approx(expected["score"], abs=1e-4)


def test_state_continues(run):
    names = run(*PYTHON_BLOCKS["state"])
    whole = names["model"](names["torch"].tensor([[2, 7, 9, 11, 4]]))
    names["torch"].testing.assert_close(names["rest"].state, whole.state)


@pytest.mark.slow
def test_classifier_is_trained_and_pushed(run, monkeypatch, tmp_path):
    pushed = []
    monkeypatch.setattr(TrainedClassifier, "push_to_hub", lambda self, repo_id: pushed.append(repo_id))
    names = run(*PYTHON_BLOCKS["train"], data=table_of_opinions())
    assert names["trained"].metrics["test"]["accuracy"] > 0.9
    assert pushed == ["owner/reviews-gru"]
    assert load_classifier(tmp_path / "runs" / "reviews").model.config.cell_type == "gru"


@pytest.mark.slow
def test_stock_trainer_trains_and_saves(run, monkeypatch, tmp_path):
    splits = DatasetDict({split: rows.select(range(40)) for split, rows in build_sample_reviews().items()})
    monkeypatch.setattr("hf_lstm.data.build_sample_reviews", lambda: splits)
    run(*PYTHON_BLOCKS["by hand"], replace={"num_train_epochs=10": "num_train_epochs=1"})
    assert load_classifier(tmp_path / "runs" / "by-hand").predict(["What a film."])


def test_stream_is_that_of_the_whole_text_and_the_guard_stops(run, capsys):
    names = run(*PYTHON_BLOCKS["stream"])
    scores = names["stream"].finish(names["state"]).scores
    whole = "Although it seemed dreadful at first, it was wonderful."
    expected = {row["label"]: row["score"] for row in names["classifier"].pipeline(top_k=None)([whole])[0]}
    assert scores == pytest.approx(expected, abs=1e-5)
    assert names["result"].token_spans[0][0] == 19  # the token "dreadful", which the first piece cuts
    # The printed lines, with numbers of four digits.
    printed = [re.sub(r"(0\.\d{4})\d+", r"\1", line) for line in capsys.readouterr().out.splitlines()]
    shown = [re.sub(r"(0\.\d{4})\d+", r"\1", line) for line in README.splitlines()]
    assert all(f"# {line}" in shown for line in printed), printed


class Frame:
    """Stands in for the data of Ray and Spark, which tests/inference/test_batch_predictor.py uses."""

    def __init__(self, table: pd.DataFrame):
        self.table = table

    def map_batches(self, predict, batch_format):
        assert batch_format == "pyarrow"
        return predict(pa.Table.from_pandas(self.table)).to_pandas()

    def mapInPandas(self, predict, schema):
        (scored,) = predict(iter([self.table]))
        assert [part.split()[0] for part in schema.split(", ")] == list(scored.columns)
        return scored


@pytest.mark.slow
def test_batches_of_other_frameworks(run, tmp_path):
    table = pd.DataFrame({"text": ["a good film", "a bad film"]})
    train_classifier(
        table_of_opinions(), output_dir="runs/reviews", baseline=False, num_train_epochs=1, hidden_size=8
    )  # fmt: skip
    frame = Frame(table)
    names = run(*PYTHON_BLOCKS["batches"], rows=Dataset.from_pandas(table), ray_rows=frame, frame=frame)
    assert list(names["scored"].columns) == ["text", "predicted_label", "predicted_score"]
