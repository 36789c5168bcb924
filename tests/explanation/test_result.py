import json
from dataclasses import FrozenInstanceError, asdict
from xml.etree import ElementTree

import pytest

from hf_lstm import Explanation
from hf_lstm.explanation.words import Word

WORDS = (Word("good", 0, 4, 1.5, 1.0), Word("<i>", 5, 8, -0.5, 0.0))
EXPLANATION = Explanation("good <i>", "a&b", WORDS, base=-1.0, score=0.0, unit="log-odds")


def test_json_has_all_values():
    values = json.loads(EXPLANATION.to_json())
    assert values.pop("probability") == 0.5
    words = tuple(Word(**word) for word in values.pop("words"))
    assert Explanation(**values, words=words) == EXPLANATION
    regression = Explanation("good", "stars", WORDS[:1], 1.0, 2.5, "output")
    assert json.loads(regression.to_json()) == json.loads(json.dumps(asdict(regression)))


def test_html_is_well_formed_and_escaped():
    html = EXPLANATION.to_html()
    assert html == EXPLANATION._repr_html_() and html.startswith("<style>")
    figure = ElementTree.fromstring(EXPLANATION.to_figure())
    assert "".join(figure.find("p").itertext()) == "good <i>"
    assert "".join(figure.find("figcaption").itertext()).startswith("a&b 0.5000 (log-odds +0.00) = empty text -1.00")
    assert figure.find("div/svg") is not None


def test_models_that_do_not_read_forward_have_no_chart():
    for words in ((), (Word("good", 0, 4, 1.0),)):
        assert "<svg" not in Explanation("good", "pos", words, 0.0, 1.0, "log-odds").to_html()


def test_terminal():
    assert EXPLANATION.to_terminal(colours=False) == "a&b 0.5000 (empty text 0.2689): good +1.50, <i> -0.50"
    assert EXPLANATION.to_terminal(colours=True).splitlines()[1].startswith("\033[")
    assert Explanation("", "stars", (), 2.0, 2.0, "output").summary() == "stars 2.0000 (empty text 2.0000): no words"


def test_explanation_is_immutable():
    with pytest.raises(FrozenInstanceError):
        EXPLANATION.score = 1.0
