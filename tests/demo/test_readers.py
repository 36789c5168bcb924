import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gradio", reason="Gradio is not installed")

from hf_lstm.demo.live_text import update_text
from hf_lstm.demo.readers import build_demo, explain_html, load_reader, score_file
from hf_lstm.inference.loading import load_model_and_tokenizer
from hf_lstm.inference.prediction import predict_texts, probabilities

TEXT = "A good film,  don't\nyou think? 😀 it<br />began  bad [CLS] and the plot" + " film" * 70 + "电影好看。" * 50


def test_scores_after_each_word_are_those_of_the_shorter_texts(forward):
    reader, (model, tokenizer) = load_reader(forward), load_model_and_tokenizer(forward)
    live = update_text(reader, None, TEXT)
    texts = ["".join(live.words[:count]) for count in range(len(live.words) + 1)]
    expected = probabilities(predict_texts(model, tokenizer, texts), "single_label_classification")
    # The "<br " of "<br />" waits for the next word.
    whole = [i for i, text in enumerate(texts) if not text.endswith("<br ")]
    np.testing.assert_allclose(live.scores[whole], expected[whole], atol=1e-5)
    label = reader.labels[int(expected[-1].argmax())]
    assert live.prediction.label == label
    assert list(live.prediction.scores.values()) == pytest.approx(expected[-1].tolist(), abs=1e-5)


def test_lone_surrogates_do_not_shift_the_words(forward):
    reader = load_reader(forward)
    live = update_text(reader, None, "bad\ud83d film good")
    assert live.scores[-1].tolist() == pytest.approx(
        list(reader.predict(["bad\ud83d film good"])[0].scores.values()), abs=1e-5
    )


def test_other_classifier_scores_the_whole_text_and_a_note_says_so(both_ways, forward, capsys):
    build_demo([forward, both_ways])
    (note,) = capsys.readouterr().out.splitlines()
    assert note.startswith("both-ways: the whole text is scored after each change.") and "bidirectional=False" in note
    reader = load_reader(both_ways)
    assert not reader.streams and update_text(reader, None, TEXT).prediction == reader.predict([TEXT])[0]


def test_regression_and_thresholds(save_classifier):
    reader = load_reader(save_classifier("r", bidirectional=False, problem_type="regression", id2label={0: "stars"}))
    live = update_text(reader, None, "a good film")
    assert reader.is_regression and live.prediction.label is None
    assert live.prediction.scores["stars"] == pytest.approx(
        reader.predict(["a good film"])[0].scores["stars"], abs=1e-5
    )
    never = load_reader(save_classifier("t", bidirectional=False, threshold=[1.0, 1.0]))
    assert update_text(never, None, "a film").prediction.label is None


def test_model_without_a_problem_type_is_refused(save_classifier):
    with pytest.raises(ValueError, match="has no problem_type"):
        load_reader(save_classifier("untrained", problem_type=None))


def test_contributions_are_those_of_the_explanation(both_ways):
    html = explain_html(load_reader(both_ways), "a good <b>film</b>")
    assert html.count("<figure") == 1 and "&lt;" in html and "empty text" in html


@pytest.mark.parametrize(("suffix", "scored"), [(".csv", ".csv"), (".txt", ".csv")])
def test_file_is_scored_by_each_classifier_and_deleted_afterwards(forward, both_ways, tmp_path, suffix, scored):
    readers = [load_reader(forward), load_reader(both_ways)]
    source = tmp_path / f"texts{suffix}"
    source.write_text("text\n" * (suffix == ".csv") + "a good film\na bad book\n")
    scoring = score_file(readers, str(source))
    paths, note = next(scoring)
    assert [Path(path).name for path in paths] == [f"texts-forward{scored}", f"texts-both-ways{scored}"]
    assert note.endswith("2 rows scored.")
    for path, reader in zip(paths, readers, strict=True):
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        expected = reader.predict(["a good film", "a bad book"])
        assert [row["predicted_label"] for row in rows] == [prediction.label for prediction in expected]
    assert list(scoring) == [] and not Path(paths[0]).exists()


def test_a_compressed_file_is_scored_and_an_unknown_one_is_named(forward, tmp_path):
    readers, source = [load_reader(forward)], tmp_path / "texts.csv.gz"
    source.write_bytes(gzip.compress(b"text\na good film\n"))
    (path,), note = next(score_file(readers, str(source)))
    assert Path(path).name == "texts.csv-forward.jsonl" and note.endswith("1 row scored.")
    (tmp_path / "texts.pdf").write_text("a good film")
    with pytest.raises(ValueError, match=r"texts\.pdf has an unknown suffix"):
        next(score_file(readers, str(tmp_path / "texts.pdf")))


def test_messages_name_the_file_without_its_folder(forward, tmp_path):
    readers, source = [load_reader(forward)], tmp_path / "table.csv"
    source.write_text("text;id\na good film;1\na bad book;2\n")
    assert "columns of table.csv are separated by semicolons" in next(score_file(readers, str(source)))[1]
    source.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"^table\.csv has no column"):
        next(score_file(readers, str(source)))


def test_names_of_classifiers_differ(forward, tmp_path):
    again = tmp_path / "forward"
    again.symlink_to(forward)
    page = build_demo([forward, again])
    names = [block.value for block in page.blocks.values() if str(block.elem_id).startswith("scores-")]
    assert str(forward) in names[0] and str(again) in names[1]


def test_a_classifier_that_is_given_twice_is_refused(forward):
    with pytest.raises(ValueError, match="/forward and .*/forward/ are the same classifier; give it once"):
        build_demo([forward, f"{forward}/"])


def test_the_current_folder_has_its_name(forward, monkeypatch):
    monkeypatch.chdir(forward)
    assert load_reader(".").name == "forward"
