import io
import json
import shutil
import sys

from hf_lstm.cli import stream
from hf_lstm.inference import StreamingClassifier, load_model_and_tokenizer


def test_the_last_line_is_the_prediction_of_the_whole_text(command, streaming_folder, tmp_path):
    done = command("stream", "--model", streaming_folder, "--plot", tmp_path / "plot.png", stdin="a good film\n")
    assert done.returncode == 0, done.stderr
    lines = [line.split("  ") for line in done.stdout.splitlines()]
    predicted = command("predict", "--model", streaming_folder, "a good film").stdout.split("\t")
    assert lines[-1] == ["4 tokens", f"{predicted[0]} {predicted[1]}"]
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_stop_rule_ends_the_process(command, streaming_folder):
    rule = ("--stop_when", "good", "0.3", "1")
    stopped = command("stream", "--model", streaming_folder, *rule, stdin="a film that is good " * 20)
    assert stopped.returncode == 3 and "'good' has a probability of at least 0.3 for 1 token" in stopped.stderr


def test_the_last_word_counts_as_read(command, streaming_folder):
    stopped = command("stream", "--model", streaming_folder, "--stop_when", "good", "0.01", "2", stdin="good film")
    assert stopped.returncode == 3 and stopped.stderr.startswith("stopped at character 9 of 9: ")


def test_results_of_a_long_stream_are_not_kept(streaming_folder, monkeypatch):
    classifier = StreamingClassifier(*load_model_and_tokenizer(streaming_folder))
    for each_token, count in ((False, 2), (True, 13)):  # with the one at the end
        monkeypatch.setattr(stream, "PIECE", 4)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"film " * 9 + b"abc")))
        results, text, length = stream.read_stream(classifier, each_token)
        assert len(results) == count and results[-1].num_tokens == 11
        assert length == 48 and len(text) == 48 * each_token


def test_rule_of_the_model_is_announced_and_used(command, streaming_folder, tmp_path):
    folder = tmp_path / "stored"
    shutil.copytree(streaming_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["stop_rule"] = {"label": "good", "probability": 0.3, "for_tokens": 1}
    (folder / "config.json").write_text(json.dumps(config))
    stopped = command("stream", "--model", folder, stdin="a film that is good " * 20)
    announced = "Stop rule of the model: 'good' has a probability of at least 0.3 for 1 token; --stop_when sets another"
    assert stopped.returncode == 3 and stopped.stderr.splitlines()[0] == announced
    other = command("stream", "--model", folder, "--stop_when", "good", "1", "99", stdin="a film that is good")
    assert other.returncode == 0 and "Stop rule" not in other.stderr


def test_an_abstaining_classifier_shows_no_label(command, streaming_folder, tmp_path):
    folder = tmp_path / "abstains"
    shutil.copytree(streaming_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"threshold": [1.0] * len(config["id2label"])}))
    assert command("stream", "--model", folder, stdin="a good film").stdout.splitlines()[-1] == "4 tokens  (no label)"


def test_bad_input_is_one_sentence(command, streaming_folder, trained):
    assert "Standard input is empty" in command("stream", "--model", streaming_folder).stderr
    for mistake, sentence in (
        (("--stop_when", "great", "0.5", "1"), "'great'"),
        (("--stop_when", "good", "much", "1"), "--stop_when good much 1"),
        (("--plot", "plot.gif"), "ends in .png"),
    ):
        done = command("stream", "--model", streaming_folder, *mistake, stdin="x")
        assert done.returncode == 2 and sentence in done.stderr
    both = command("stream", "--model", trained[0], stdin="x")
    assert both.returncode == 1 and "bidirectional" in both.stderr
