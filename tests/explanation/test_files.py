import json

import pytest

from hf_lstm import Explanation
from hf_lstm.explanation.files import write_explanations

EXPLANATIONS = [Explanation(text, "pos", (), 0.0, 0.0, "log-odds") for text in ("é", "<b>")]


def test_every_type_of_file(tmp_path):
    for name in ("a.json", "a.jsonl", "folder/a.HTML"):
        assert write_explanations(iter(EXPLANATIONS), tmp_path / name) == 2
    expected = [one.to_dict() | {"words": []} for one in EXPLANATIONS]
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == expected
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == expected
    page = (tmp_path / "folder" / "a.HTML").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and page.count("<figure") == 2 and page.count("<style>") == 1


def test_no_explanations(tmp_path):
    write_explanations([], tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == []
    write_explanations([], tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_text() == ""


def test_a_file_is_replaced_only_when_it_is_complete(tmp_path):
    (tmp_path / "a.json").write_text("old")

    def broken():
        yield EXPLANATIONS[0]
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_explanations(broken(), tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.html, \.json, \.jsonl"):
        write_explanations([], tmp_path / "a.txt")
