import json
import shutil


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
    assert stopped.returncode == 3 and "good had a probability of 0.3 or more for 1 token" in stopped.stderr


def test_rule_of_the_model_is_announced_and_used(command, streaming_folder, tmp_path):
    folder = tmp_path / "stored"
    shutil.copytree(streaming_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["stop_rule"] = {"label": "good", "probability": 0.3, "for_tokens": 1}
    (folder / "config.json").write_text(json.dumps(config))
    stopped = command("stream", "--model", folder, stdin="a film that is good " * 20)
    announced = "Stop rule of the model: good had a probability of 0.3 or more for 1 token; --stop_when sets another"
    assert stopped.returncode == 3 and stopped.stderr.splitlines()[0] == announced
    other = command("stream", "--model", folder, "--stop_when", "good", "1", "99", stdin="a film that is good")
    assert other.returncode == 0 and "Stop rule" not in other.stderr


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
