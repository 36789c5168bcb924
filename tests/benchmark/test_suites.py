from hf_lstm.benchmark import SUITES


def test_each_suite_has_one_line_to_print():
    assert list(SUITES) == ["train", "limit", "score", "latency", "length", "guard", "tokenize", "start"]
    for suite in SUITES.values():
        assert suite.__doc__.strip().splitlines()[0].endswith(".")
