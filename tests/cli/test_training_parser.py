import json
from dataclasses import dataclass, field
from typing import Literal

import pytest

from hf_lstm.cli.train import SECTIONS
from hf_lstm.cli.training_parser import TrainingParser, format_command, option_words
from hf_lstm.training import build_arguments
from hf_lstm.tuning import TRAINING_GROUPS, Groups


@dataclass
class First:
    name: str = field(default="none", metadata={"help": "a name"})
    many: list[str] | None = field(default=None, metadata={"help": "several (default: none)"})
    kind: Literal["a", "b"] = field(default="a", metadata={"help": "a choice"})


@dataclass
class Second:
    count: int = field(default=1, metadata={"help": "a number"})
    on: bool = field(default=False, metadata={"help": "a switch"})
    off: bool | None = field(default=None, metadata={"help": "another (default: by the processor)"})


def make_parser() -> TrainingParser:
    return TrainingParser((First, Second), {"own": ("name", "many", "kind", "off")}, "tool", "What it does.")


def test_options_come_from_flags():
    assert make_parser().parse([]) == (First(), Second())
    found = make_parser().parse(["--count", "3", "--many", "a", "b", "--on"])
    assert found == (First(many=["a", "b"]), Second(3, True))


@pytest.mark.parametrize(
    ("words", "value"),
    [(["--off"], True), (["--no_off"], False), (["--off", "false"], False), (["--off", "true"], True), ([], None)],
)
def test_booleans_are_switches_and_take_a_value(words, value):
    assert make_parser().parse(words)[1].off is value


@pytest.mark.parametrize("name", ["run.json", "run.yaml", "run.yml"])
def test_options_come_from_a_file(tmp_path, name):
    (tmp_path / name).write_text(json.dumps({"name": "x", "many": ["a"], "count": 2, "on": True}))
    assert make_parser().parse([str(tmp_path / name)]) == (First("x", ["a"]), Second(2, True))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--cuont", "3"], "unknown option: --cuont 3"),
        (["--count", "three"], "invalid int value"),
        (["--kind", "c"], "invalid choice"),
    ],
)
def test_invalid_options_are_refused_with_the_usage(capsys, words, sentence):
    with pytest.raises(SystemExit) as ended:
        make_parser().parse(words)
    printed = capsys.readouterr().err
    assert ended.value.code == 2 and sentence in printed and "FILE.yaml" in printed


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("cuont: 3", "run.yaml has no option 'cuont'; did you mean 'count'?"),
        ("name: [", "run.yaml is not valid YAML: "),
        ("a line", "run.yaml must have one `option: value` per line"),
        ("", "run.yaml must have one `option: value` per line"),
    ],
)
def test_an_invalid_file_is_refused_with_the_usage(tmp_path, capsys, content, sentence):
    (tmp_path / "run.yaml").write_text(content)
    with pytest.raises(SystemExit) as ended:
        make_parser().parse([str(tmp_path / "run.yaml")])
    assert ended.value.code == 2 and sentence in capsys.readouterr().err


def test_values_of_a_file_are_converted_and_checked(tmp_path):
    (tmp_path / "run.yaml").write_text("count: 1e3\n'off': no\nname: 7\n")
    assert make_parser().parse([str(tmp_path / "run.yaml")]) == (First("7"), Second(1000, off=False))
    (tmp_path / "run.yaml").write_text("kind: c\n")
    with pytest.raises(ValueError, match="`kind` must be one of 'a', 'b', got 'c'"):
        make_parser().parse([str(tmp_path / "run.yaml")])


def test_help_lists_the_sections_and_help_all_the_rest(capsys):
    for option, more in (("--help", False), ("--help_all", True)):
        with pytest.raises(SystemExit) as ended:
            make_parser().parse([option])
        printed = capsys.readouterr().out
        assert ended.value.code == 0 and "What it does." in printed
        assert "--name TEXT" in printed and "a name (default: none)" in printed
        assert "--many TEXT ..." in printed and "--kind {a,b}" in printed and "--[no_]off" in printed
        assert ("--count N" in printed) is more


def test_every_option_of_this_package_is_in_a_section():
    own = {
        name
        for group in TRAINING_GROUPS
        for kind in group.__mro__
        if kind.__module__.startswith("hf_lstm")
        for name in kind.__dict__.get("__annotations__", {})
    }
    # Options of the Trainer whose defaults differ here.
    changed = {"warmup_steps", "weight_decay", "save_total_limit", "load_best_model_at_end", "disable_tqdm"}
    changed |= {"ddp_find_unused_parameters", "per_device_eval_batch_size", "train_sampling_strategy"}
    changed |= {"dataset_config"}  # only few datasets have configurations
    changed |= {"eval_strategy", "save_strategy", "logging_strategy", "hub_strategy", "hub_model_id"}
    # Listed by --help_all only, because --help fits on a screen.
    more = {"lowercase", "hidden_dropout", "weight_dropout", "layer_decay", "average_decay", "trust_remote_code"}
    more |= {
        "calibrate",
        "audit_dir",
        "language",
        "license",
        "reverse",
        "gradual_unfreezing",
        "prefixes",
        "stop_false_alarms",
    }
    assert own - changed - more == {name for names in SECTIONS.values() for name in names}


def test_command_is_recorded_as_it_was_typed_without_the_token():
    words = ["--dataset", "my file.csv", "--hub_token", "hf_secret"]
    assert format_command("train", words) == "hf-lstm train --dataset 'my file.csv' --hub_token hf_secret"
    assert format_command("train", words, "hf_secret") == "hf-lstm train --dataset 'my file.csv' --hub_token ***"


def test_options_become_words_that_are_parsed_again():
    options = {"cell_type": "gru", "bidirectional": False, "half_weights": True, "teacher": ["linear", "latent"]}
    options |= {"learning_rate": 0.0015, "lr_scheduler_type": "cosine", "lr_scheduler_kwargs": {"num_cycles": 2}}
    options |= {"num_train_epochs": 2.0, "teacher_labels": {"LABEL_0": "bad", "LABEL_1": ""}}
    *groups, _ = build_arguments(TRAINING_GROUPS, options, "test")
    given = Groups(*groups)
    words = option_words(given.given())
    assert "--no_bidirectional" in words and "--half_weights" in words
    assert words[words.index("--num_train_epochs") + 1] == "2"
    *parsed, _ = TrainingParser(TRAINING_GROUPS, {}, "train", "").parse(words)
    assert Groups(*parsed).given() == given.given()
