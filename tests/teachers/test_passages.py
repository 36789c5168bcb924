from hf_lstm.teachers.passages import cut_passages


def test_passages_end_with_a_sentence():
    text = "One two. Three four five! Six?<br /><br />Seven\neight. Nine"
    assert cut_passages([text], 3) == ["One two. Three four five!", "Six? Seven eight. Nine"]
    assert cut_passages([text], 4) == ["One two. Three four five!", "Six? Seven eight. Nine"]
    assert cut_passages([text], 2) == ["One two.", "Three four five!", "Six? Seven", "eight. Nine"]
    assert cut_passages(["a b c d e f g", "", " ", "好。坏！"], 1) == ["a b c d e f g", "好。", "坏！"]
    assert cut_passages(["a. b.", "b. a."], 1) == ["a.", "b."]
