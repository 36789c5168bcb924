import datasets
import pytest

from hf_lstm.data.columns import find_column, iterate_texts, select_texts


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["id", "Sentence", "label"], "Sentence"),
        (["text", "title", "content"], "text"),
        (["review_text", "stars"], "review_text"),
        (["predicted_text", "sentence"], "sentence"),
    ],
)
def test_find_column(columns, found):
    assert find_column(columns, ("text", "sentence", "content"), None, role="text", where="x") == found
    assert find_column(columns, ("text", "sentence", "content"), columns[-1], role="text", where="x") == columns[-1]
    with pytest.raises(ValueError, match=f"no column 'zz'; its columns are: {', '.join(columns)}"):
        find_column(columns, ("text",), "zz", role="text", where="x")


def test_ambiguous_and_missing_columns_give_one_sentence():
    with pytest.raises(ValueError, match="^The table has several columns that may be the label column; set label"):
        find_column(["coarse_label", "fine_label"], ("label",), None, role="label", where="the table")
    with pytest.raises(ValueError, match="^The table has no column with a usual text name; set text_column. Its"):
        find_column(["a", "b"], ("text",), None, role="text", where="the table")


@pytest.mark.parametrize("streaming", [False, True])
def test_select_texts_leaves_out_blank_texts_and_other_columns(streaming):
    rows = datasets.Dataset.from_dict({"body": ["a", "", " \n", None, "b"], "id": range(5)})
    selected = select_texts(rows.to_iterable_dataset() if streaming else rows, "body")
    assert [dict(row) for row in selected] == [{"text": "a"}, {"text": "b"}]
    assert selected.features == datasets.Features({"text": datasets.Value("string")})


def test_iterate_texts_gives_all_texts_in_order():
    texts = [str(i) for i in range(2_500)]
    assert list(iterate_texts(datasets.Dataset.from_dict({"text": texts, "labels": range(2_500)}))) == texts
