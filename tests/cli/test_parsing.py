import io

import pytest

from hf_lstm.cli.parsing import add_dataset_options, add_switch, command_parser, read_lines


def test_commands_share_the_options_of_a_dataset():
    parser = command_parser("tool", "What it does.")
    add_dataset_options(parser, "texts to count")
    args = parser.parse_args(["--dataset", "a.csv", "--label_column", "b"])
    assert (args.dataset, args.label_column, args.text_column, args.split) == ("a.csv", ["b"], None, None)
    assert parser.parse_args(["--label_column", "b", "c"]).label_column == ["b", "c"]


@pytest.mark.parametrize(
    ("words", "value"), [([], True), (["--on"], True), (["--no_on"], False), (["--on", "false"], False)]
)
def test_commands_share_switches(words, value):
    parser = command_parser("tool", "What it does.")
    add_switch(parser, "on", default=True, help="a switch")
    assert parser.parse_args(words).on is value
    assert "--[no_]on" in parser.format_help() and "--no_on" not in parser.format_help()


def test_lines_of_another_encoding(monkeypatch):
    def lines(encoding):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("été\r\nbon\n".encode("cp1252"))))
        return list(read_lines(encoding))

    assert lines("cp1252") == ["été", "bon"]
    for encoding in ("utf-8", "none-such"):
        with pytest.raises(
            ValueError, match=f"^Standard input cannot be read as {encoding}: name its encoding with --en"
        ):
            lines(encoding)
