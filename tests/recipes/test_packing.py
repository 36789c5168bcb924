import numpy as np
import pytest
from datasets import Dataset

from hf_lstm.data import load_corpus
from hf_lstm.language_model import PackedCorpus
from hf_lstm.recipes import pack_corpus


def write_corpus(folder, **splits) -> str:
    folder.mkdir()
    for split, (texts, labels) in splits.items():
        Dataset.from_dict({"text": texts, "label": labels}).to_parquet(str(folder / f"{split}.parquet"))
    files = "".join(f"  - split: {split}\n    path: {split}.parquet\n" for split in splits)
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n")
    return str(folder)


@pytest.fixture
def texts():
    opinions, things = ("good", "bad", "dull", "fine"), [f"film{number}" for number in range(20)]
    made = [f"the {opinion} {thing} was {opinion}" for thing in things for opinion in opinions]
    made[7] = made[3]  # occurs twice
    return {"train": made[:40], "test": [*made[40:59], made[0]], "unsupervised": [*made[60:], made[41], made[1], " "]}


@pytest.fixture
def source(tmp_path, texts):
    labels = {"train": [i % 2 for i in range(40)], "test": [1, 0] * 10, "unsupervised": [None] * 23}
    return write_corpus(tmp_path / "corpus", **{split: (texts[split], labels[split]) for split in texts})


def test_every_text_is_packed_with_its_row_label_and_split(source, texts):
    packed, notes = pack_corpus(source, 100)
    corpus, tokenizer = load_corpus(source), packed.tokenizer()
    assert packed.label_names == corpus.label_names and packed.name == source
    for split, original in (
        ("train", "train"),
        ("validation", "train"),
        ("test", "test"),
        ("unsupervised", "unsupervised"),
    ):
        indices = packed.indices(split)
        for index in indices:
            expected = tokenizer(texts[original][packed.rows[index]])["input_ids"]
            assert packed.texts[index].tolist() == expected
        if split != "unsupervised":
            rows = corpus.splits[split]
            assert len(indices) == len(rows)
            found = sorted((packed.texts[i].tolist(), int(packed.labels[i])) for i in indices)
            wanted = sorted((tokenizer(row["text"])["input_ids"], row["labels"]) for row in rows)
            assert found == wanted
    assert len(packed.indices("unsupervised")) == 22  # without the blank one
    rows = packed.rows[np.concatenate([packed.indices("train"), packed.indices("validation")])]
    assert sorted(rows.tolist()) == list(range(40))
    assert any("not in the vocabulary" in note for note in notes)


def test_texts_of_validation_and_test_are_not_learned_from(source, texts):
    packed, notes = pack_corpus(source, 100)
    held_out = {*load_corpus(source).splits["validation"]["text"], *texts["test"]}
    shared = {texts["train"][row] for row in packed.rows[packed.shared & (packed.splits == 0)]}
    assert texts["train"][0] in shared and shared <= held_out
    learned, validation = packed.language_model_texts()
    known = packed.tokenizer()
    held_out_ids = {tuple(known(text)["input_ids"]) for text in held_out}
    assert not {tuple(packed.texts[i]) for i in learned} & held_out_ids
    assert all(tuple(packed.texts[i]) in held_out_ids for i in validation)
    assert not packed.shared[packed.indices("test")].any() and packed.shared.sum() >= 2
    assert any(f"{packed.shared.sum()} texts of train and unsupervised also occur" in note for note in notes)


def test_words_of_held_out_texts_alone_are_unknown(tmp_path):
    train = [f"{word} film {i}" for i in range(10) for word in ("good", "bad")]
    source = write_corpus(
        tmp_path / "corpus", train=(train, [1, 0] * 10), test=(["zebra zebra zebra zebra"] * 2, [0, 1])
    )
    packed, _ = pack_corpus(source, 100)
    assert "zebra" not in packed.tokenizer().get_vocab()
    assert packed.texts[packed.indices("test")[0]].tolist()[1:] == [packed.tokenizer().unk_token_id] * 4


def test_packed_corpus_is_written_and_read(source, tmp_path):
    packed, _ = pack_corpus(source, 100)
    packed.write(tmp_path / "corpus.npz")
    found = PackedCorpus.read(tmp_path / "corpus.npz")
    assert np.array_equal(found.texts.tokens, packed.texts.tokens) and np.array_equal(found.rows, packed.rows)


def test_corpora_without_classes_or_with_validation_are_refused(tmp_path):
    table = (["a film", "the film"] * 10, [0.5, 1.5] * 10)
    scores = write_corpus(tmp_path / "scores", train=table, test=table)
    with pytest.raises(ValueError, match="do not have exactly one class"):
        pack_corpus(scores)
    rows = (["a film", "the film"] * 10, [0, 1] * 10)
    split = write_corpus(tmp_path / "split", train=rows, validation=rows, test=rows)
    with pytest.raises(ValueError, match="and no validation split"):
        pack_corpus(split)


def test_embeddings_that_need_a_large_file_are_reported(source, monkeypatch):
    _, notes = pack_corpus(source, 100)
    assert not any("Warning" in note for note in notes)
    monkeypatch.setattr("hf_lstm.recipes.packing.MAX_FILE_BYTES", 20_000)
    packed, notes = pack_corpus(source, 100)
    size = len(packed.tokenizer())
    expected = f"Warning: the embeddings of {size} tokens need a file of {size * 400 * 2 / 1e6:.1f} MB."
    assert size * 400 * 2 > 20_000 and any(note.startswith(expected) for note in notes)
