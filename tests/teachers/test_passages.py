from hf_lstm.teachers.passages import cut_passages, cut_prefixes


def test_passages_end_with_a_sentence():
    text = "One two. Three four five! Six?<br /><br />Seven\neight. Nine"
    assert cut_passages([text], 3) == ["One two. Three four five!", "Six? Seven eight. Nine"]
    assert cut_passages([text], 4) == ["One two. Three four five!", "Six? Seven eight. Nine"]
    assert cut_passages([text], 2) == ["One two.", "Three four five!", "Six? Seven", "eight. Nine"]
    assert cut_passages(["a b c d e f g", "", " ", "好。坏！"], 1) == ["a b c d e f g", "好。", "坏！"]
    assert cut_passages(["a. b.", "b. a."], 1) == ["a.", "b."]


def test_prefixes_end_after_a_word_and_before_the_last_one():
    text = "One  two, three.<br />Four"
    prefixes = {prefix for seed in range(30) for prefix in cut_prefixes([text], seed)}
    assert prefixes == {"One", "One  two,", "One  two, three.", "One  two, three.<br />"}
    assert cut_prefixes(["alone", "", "a b", "a b"], 0) == ["a"]
    many = [len(prefix.split()) for prefix in cut_prefixes([f"{i} b c d e" for i in range(4_000)], 0)]
    # Each of 1 to 4 words with the same probability: 1,000 each, with a standard deviation of 27.
    assert all(abs(many.count(words) - 1_000) < 5 * 27 for words in (1, 2, 3, 4))
