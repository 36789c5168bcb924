import bz2
import gzip
import lzma
import zipfile

import pyarrow as pa
import pytest

from hf_lstm.data.formats import (
    FileError,
    detect_format,
    detect_separator,
    file_digest,
    format_suffix,
    has_unclosed_quotes,
    open_text,
)

TEXT = "text,label\nnaïve café,a\n" * 3


def write_zip(path, content, members=("a.csv",)):
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, content)


COMPRESSORS = {
    "": lambda path, content: path.write_bytes(content),
    ".gz": lambda path, content: path.write_bytes(gzip.compress(content)),
    ".bz2": lambda path, content: path.write_bytes(bz2.compress(content)),
    ".xz": lambda path, content: path.write_bytes(lzma.compress(content)),
    ".zst": lambda path, content: path.write_bytes(pa.Codec("zstd").compress(content, asbytes=True)),
    ".zip": write_zip,
}


@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize(
    ("encoding", "detected"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("latin-1", "cp1252"),
    ],
)
def test_encodings_are_detected_in_any_compression(tmp_path, suffix, encoding, detected):
    path = tmp_path / f"a.csv{suffix}"
    COMPRESSORS[suffix](path, TEXT.encode(encoding))
    file_format = detect_format(str(path))
    assert (file_format.encoding, file_format.separator) == (detected, ",")
    with open_text(file_format) as file:
        assert file.read() == TEXT


@pytest.mark.parametrize("offset", [999_999, 1_000_000])
def test_a_character_across_chunks_is_valid(tmp_path, offset):
    path = tmp_path / "a.txt"
    path.write_text("x" * offset + "é\n", encoding="utf-8")
    assert detect_format(str(path)).encoding == "utf-8"


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        ("é\n".encode() * 3 + b"\xe9\n", None, "line 4 is not UTF-8; correct it, or set encoding"),
        (b"\xef\xbb\xbfa\n\xe9\n", None, "line 2 is not UTF-8"),
        (b"a\n\xe9\n", "utf-8", "line 2 is not utf-8; set encoding to another one"),
        (b"\x80\x00\xff" * 9, None, "line 1 is not UTF-8"),
    ],
)
def test_bytes_that_are_not_text_are_named_by_their_line(tmp_path, content, encoding, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(FileError, match=message):
        detect_format(str(tmp_path / "a.txt"), encoding=encoding)


@pytest.mark.parametrize(
    ("lines", "default", "separator"),
    [
        (["text,label", "a;b,c", "d;e,f"], ",", ","),
        (["text;label", "a, b;c", "d;e"], ",", ";"),
        (["text\tlabel", "a, b\tc"], ",", "\t"),
        (["text|label", "a, b|c"], ",", "|"),
        (["text,label", '"a, b",c'], "\t", ","),
        (["text", "a", "b"], ",", ","),
        (["text", "a, b"], "\t", "\t"),
        ([], ",", ","),
    ],
)
def test_separators_are_detected(lines, default, separator):
    assert detect_separator([f"{line}\n" for line in lines], default) == separator


@pytest.mark.parametrize(
    ("lines", "unclosed"),
    [
        (["text\tlabel", '"a\tx', "b\ty"], True),
        (["text\tlabel", '"a" b\tx'], True),
        (["text\tlabel", '"a ""b"""\tx'], False),
        (["text\tlabel", '"a', 'b"\tx'], False),
        (["text\tlabel", '"a\tb"\tx'], False),
        (["text\tlabel", 'say "a"\tx'], False),
    ],
)
def test_unclosed_quotes_are_distinguished_from_quoted_fields(lines, unclosed):
    assert has_unclosed_quotes([f"{line}\n" for line in lines]) == unclosed


def test_suffixes():
    assert [format_suffix(name) for name in ("a.CSV", "a.b.jsonl.GZ", "a", "a.gz")] == [".csv", ".jsonl", "", ""]


def test_the_suffix_of_a_zip_file_is_that_of_its_only_member(tmp_path):
    write_zip(tmp_path / "data.zip", b"x", ["folder/rows.tsv"])
    assert format_suffix(str(tmp_path / "data.zip")) == ".tsv"
    write_zip(tmp_path / "two.zip", b"x", ["a.csv", "b.csv"])
    with pytest.raises(FileError, match="two.zip has 2 files; a zip file must have exactly one"):
        format_suffix(str(tmp_path / "two.zip"))


def test_digest_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(str(tmp_path / "a")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
