import json
import sys


def test_arguments_and_standard_input(command, trained):
    folder, _ = trained
    done = command("explain", "--model", folder, "a good film", "bad\nbook")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["good", "bad"] and "\033" not in done.stdout, done.stderr
    assert ": good +" in lines[0] and ": bad +" in lines[1]
    piped = command("explain", "--model", folder, "--label", "bad", stdin="good book\n\n")
    first, second = piped.stdout.splitlines()
    assert first.startswith("bad 0.") and "good -" in first and second.endswith(": no words")


def test_texts_of_a_file(command, streaming_folder, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"id": 1}\n{"text": "good film"}\n{"text": null}\n{"text": "<bad>"}\n')
    source = ("explain", "--model", streaming_folder, "--input", tmp_path / "in.jsonl")
    done = command(*source, "--output", tmp_path / "out.json")
    assert done.returncode == 0 and "2 rows without a text skipped" in done.stderr, done.stderr
    assert "2 explanations written to" in done.stderr
    texts = json.loads((tmp_path / "out.json").read_text())
    assert [one["text"] for one in texts] == ["good film", "<bad>"]
    assert all(word["score_after"] is not None for one in texts for word in one["words"])
    assert command(*source, "--output", tmp_path / "out.html").returncode == 0
    page = (tmp_path / "out.html").read_text()
    assert page.count("<svg") == 2 and "<bad>" not in page


def test_faithfulness(command, trained, table):
    done = command("explain", "--model", trained[0], "--input", table, "--faithfulness")
    assert done.stdout.startswith("300 explanations: area between the curves 0."), done.stderr
    assert float(done.stdout.split()[-4].replace(",", "")) > 0 and done.stdout.endswith(" words per second\n")


def test_colours_of_a_terminal(command, trained, monkeypatch):
    monkeypatch.setattr(sys.stdout.__class__, "isatty", lambda self: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033[38" in command("explain", "--model", trained[0], "a good film").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033[38" not in command("explain", "--model", trained[0], "a good film").stdout


def test_options_that_exclude_each_other(command, table, tmp_path):
    for options in (
        ("a text", "--input", table),
        ("a text", "--output", "a.html", "--faithfulness"),
    ):
        done = command("explain", "--model", "x", *options)
        assert done.returncode == 2 and "exclude each other" in done.stderr
    own = tmp_path / "texts.jsonl"
    own.write_text('{"text": "good"}\n')
    same = command("explain", "--model", "x", "--input", own, "--output", own)
    assert same.returncode == 2 and "is the input file; choose another output file" in same.stderr
    assert own.read_text() == '{"text": "good"}\n'
    wrong = command("explain", "--model", "x", "a text", "--output", "a.csv")
    assert wrong.returncode == 1 and "must end in .html" in wrong.stderr
