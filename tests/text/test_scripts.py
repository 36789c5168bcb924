import pytest

from hf_lstm.text.scripts import share_without_spaces


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("这部电影很好", 1),
        ("とてもよい映画カナ", 1),
        ("หนังดีมาก", 1),
        ("ຫນັງດີ", 1),
        ("រឿងល្អ", 1),
        ("ရုပ်ရှင်", 1),
        ("ab 电影", 0.5),
        ("a good film, 10 of 10", 0),
        ("хороший фильм", 0),
        ("영화 좋아요", 0),
        ("فيلم جيد", 0),
        ("", 0),
    ],
)
def test_share_of_characters_in_scripts_without_spaces(text, share):
    assert share_without_spaces([text]) == share_without_spaces([text, " \n", text]) == share
