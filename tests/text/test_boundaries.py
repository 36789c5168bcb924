import pytest

from hf_lstm.text.boundaries import MAX_RUN_LENGTH, clean_text, stable_length, take_stable_text


def test_stable_length():
    assert stable_length("good fi") == len("good ")
    assert stable_length("good film.\n") == len("good film.\n")
    assert stable_length("film<br ") == 0
    assert [stable_length(f"a {name}") for name in ("[", "[C", "[CLS", "[CLS]", "[c")] == [2, 2, 2, 7, 2]
    assert stable_length("a " + "x" * 60 + "[CLS]" + "x" * 10) == 2 + 60 + 5
    assert stable_length("a film<br />goo") == len("a film<br />")
    assert stable_length("a film<brave ") == len("a film<brave ")
    assert stable_length("a " + "x" * (2 * MAX_RUN_LENGTH + 5)) == 2 + 2 * MAX_RUN_LENGTH
    assert stable_length("a " + "x" * (MAX_RUN_LENGTH - 1) + "<b") == 2


def test_clean_text():
    assert clean_text("plain é 漢 😀\n\t") == "plain é 漢 😀\n\t"
    assert clean_text("a\ud800b \ud83d\ude00 \udc00") == "a\ufffdb 😀 \ufffd"
    assert clean_text("a\x00b\x1b\x85c") == "a b  c"


def test_a_piece_is_a_string_or_bytes():
    with pytest.raises(TypeError, match="Expected a piece of text .str or bytes., got NoneType"):
        take_stable_text("", b"", None, at_end=False)
    assert take_stable_text("", b"", bytearray(b"a "), at_end=False) == ("a ", "", b"")


def test_take_stable_text():
    assert take_stable_text("go", b"", "od fi", at_end=False) == ("good ", "fi", b"")
    assert take_stable_text("go", b"", "", at_end=True) == ("go", "", b"")
    assert take_stable_text("", b"\xc3", b"\xa9 \xf0\x9f", at_end=False) == ("é ", "", b"\xf0\x9f")
    assert take_stable_text("", b"\xc3", "a ", at_end=False) == ("\ufffda ", "", b"")
    assert take_stable_text("", b"\xc3", "", at_end=False) == ("", "", b"\xc3")
    assert take_stable_text("", b"\xc3", "", at_end=True) == ("\ufffd", "", b"")
    assert take_stable_text("a", b"", b"b\xc3", at_end=True) == ("ab\ufffd", "", b"")
    assert take_stable_text("", b"", "x \ud83d", at_end=False) == ("x ", "\ud83d", b"")
    assert take_stable_text("\ud83d", b"", "\ude00 ", at_end=False) == ("😀 ", "", b"")
