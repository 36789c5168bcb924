import re
from pathlib import Path

import pytest

from hf_lstm import LstmConfig
from hf_lstm.cli import run


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (lambda: int("x"), "error: invalid literal for int"),
        (Path("/nowhere/at/all").read_text, "error: .*No such file"),
        (lambda: LstmConfig(pooling="maxx"), "error: .*'pooling'.*expected one of"),
    ],
)
def test_bad_input_ends_in_one_sentence(body, sentence):
    with pytest.raises(SystemExit) as ended:
        run(body)
    assert isinstance(ended.value.code, str)
    assert re.match(sentence, ended.value.code, re.DOTALL)


def test_other_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 / 0)
