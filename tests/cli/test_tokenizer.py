from transformers import AutoTokenizer


def test_a_table_and_lines_give_tokenizers(command, table, lines, tmp_path):
    for source, column in ((table, ("--text_column", "review")), (lines, ())):
        done = command("tokenizer", "--dataset", source, *column, "--output_dir", tmp_path / "tokenizer")
        assert done.returncode == 0, done.stderr
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
        assert f"{len(tokenizer):,} tokens saved" in done.stdout
        assert tokenizer.tokenize("Good film") == ["good", "film"]


def test_case_can_be_kept(command, tmp_path):
    (tmp_path / "texts.txt").write_text("Good film\nGood book\ngood film\ngood book\n")
    source = ("--dataset", tmp_path / "texts.txt", "--output_dir", tmp_path / "tokenizer", "--no_lowercase")
    assert command("tokenizer", *source).returncode == 0
    assert "Good" in AutoTokenizer.from_pretrained(tmp_path / "tokenizer").get_vocab()


def test_a_split_that_does_not_exist(command, table, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_bytes(table.read_bytes())
    source = ("--dataset", tmp_path / "data", "--split", "dev", "--output_dir", tmp_path / "tokenizer")
    done = command("tokenizer", *source)
    assert done.returncode == 1 and "has no split 'dev'; its splits are train" in done.stderr
