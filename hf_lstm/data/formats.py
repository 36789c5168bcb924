"""Open text files of any encoding and compression, and detect their encoding and the format of their columns."""

import bz2
import codecs
import csv
import gzip
import hashlib
import io
import lzma
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import charset_normalizer
import pyarrow as pa

from ..messages import format_count, format_names

FILE_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt", ".xlsx")

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zip")

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}

# The separator is detected from this many lines, and an encoding other than Unicode from this many bytes.
SAMPLE_LINES, SAMPLE_BYTES = 200, 1_000_000

# Encodings of languages with Latin letters, which are hard to distinguish.
LATIN_ENCODINGS = (
    *("cp1250", "cp1252", "cp1254", "cp1257", "cp1258", "latin_1", "mac_roman", "mac_latin2", "cp850", "cp437"),
    *(f"iso8859_{number}" for number in (2, 3, 4, 9, 10, 13, 14, 15, 16)),
)

WESTERN_PUNCTUATION = set("–—‘’‚“”„…€£«»°·•\u00a0")

_CHUNK_BYTES = 1_000_000


class FileError(ValueError):
    """An error whose message already names the file."""


@dataclass(frozen=True)
class TextFormat:
    """How the rows of a file other than parquet are read.

    Args:
        name: The file.
        digest: SHA-256 of its content, part of the key of cached rows.
        encoding: Name of the encoding.
        separator: Separator of the columns of a csv or tsv file.
        is_quoted: Whether a field of such a file may be enclosed in quotes.
        sheets: Names of the sheets of an xlsx file; the first one is read.
    """

    name: str
    digest: str
    encoding: str
    separator: str = ","
    is_quoted: bool = True
    sheets: tuple[str, ...] = ()

    def describe(self) -> list[str]:
        """Return sentences about what differs from UTF-8, commas (tabs in a tsv file), quotes and a single sheet."""
        notes = []
        if self.encoding not in ("utf-8", "utf-8-sig"):
            notes.append(f"Read {self.name} with the encoding {self.encoding}; set encoding if this is wrong.")
        suffix = format_suffix(self.name)
        if suffix in (".csv", ".tsv") and self.separator != ("\t" if suffix == ".tsv" else ","):
            columns = SEPARATORS.get(self.separator, repr(self.separator))
            notes.append(f"The columns of {self.name} are separated by {columns}; set separator if this is wrong.")
        if not self.is_quoted:
            notes.append(f"Quotes at the start of a field of {self.name} are not closed; they are read as text.")
        if self.sheets[1:]:
            unused = format_names([repr(sheet) for sheet in self.sheets[1:]])
            notes.append(f"Read the first sheet of {self.name}, {self.sheets[0]!r}; did not read {unused}.")
        return notes


def format_suffix(name: str) -> str:
    """Return the suffix in lower case, without the one of a compression: ".csv" for "a.CSV.gz"."""
    path = Path(name)
    if path.suffix.lower() not in COMPRESSIONS:
        return path.suffix.lower()
    if path.suffix.lower() == ".zip" and path.is_file() and Path(path.stem).suffix.lower() not in FILE_SUFFIXES:
        return Path(_zip_member(name)).suffix.lower()
    return Path(path.stem).suffix.lower()


def _zip_member(name: str) -> str:
    with zipfile.ZipFile(name) as archive:
        members = [entry for entry in archive.namelist() if not entry.endswith("/") and "__MACOSX" not in entry]
    if len(members) != 1:
        raise FileError(
            f"{name} has {format_count(len(members), 'file')}; a zip file must have exactly one. Extract the one "
            f"to read: {format_names(members)}."
        )
    return members[0]


@contextmanager
def open_binary(name: str) -> Iterator[IO[bytes]]:
    """Open a file, decompressed, for reading bytes."""
    suffix = Path(name).suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(name) as archive, archive.open(_zip_member(name)) as file:
            yield file
    elif suffix == ".zst":
        with pa.input_stream(name, compression="zstd") as file:
            yield file
    else:
        openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
        with openers.get(suffix, open)(name, "rb") as file:
            yield file


@contextmanager
def open_text(file_format: TextFormat) -> Iterator[io.TextIOWrapper]:
    """Open a file, decompressed and decoded, with its line ends unchanged."""
    with (
        open_binary(file_format.name) as file,
        io.TextIOWrapper(file, encoding=file_format.encoding, newline="") as text,
    ):
        yield text


@contextmanager
def open_workbook(name: str) -> Iterator[Any]:
    """Open an xlsx file for reading its rows one by one."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise FileError(
            f'{name} is a spreadsheet, which needs the package openpyxl; run: pip install "hf_lstm[tables]"'
        ) from None
    with open_binary(name) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles and data validation
        workbook = load_workbook(io.BytesIO(file.read()), read_only=True, data_only=True)
    try:
        if not workbook.worksheets:
            raise FileError(f"{name} has no sheet with cells; add one.")
        yield workbook
    finally:
        workbook.close()


def detect_format(name: str, *, encoding: str | None = None, separator: str | None = None) -> TextFormat:
    """Detect how a csv, tsv, json, jsonl, txt or xlsx file is read, with one pass over its bytes.

    Args:
        name: The file.
        encoding: Encoding, if it should not be detected.
        separator: Separator of columns, if it should not be detected.

    Raises:
        ValueError: The encoding cannot be detected, or the file is not text in the given one.
    """
    suffix = format_suffix(name)
    if suffix == ".xlsx":
        with open_workbook(name) as workbook:
            sheets = tuple(sheet.title for sheet in workbook.worksheets)
        return TextFormat(name, file_digest(name), "utf-8", sheets=sheets)
    digest, detected = _scan_bytes(name, encoding)
    file_format = TextFormat(name, digest, encoding or detected)
    if suffix not in (".csv", ".tsv"):
        return file_format
    with open_text(file_format) as file:
        lines = list(islice(file, SAMPLE_LINES))
    separator = separator or detect_separator(lines, default="\t" if suffix == ".tsv" else ",")
    is_quoted = True
    if separator == "\t":
        with open_text(file_format) as file:
            is_quoted = not has_unclosed_quotes(file)
    return TextFormat(name, digest, file_format.encoding, separator, is_quoted)


def file_digest(name: str) -> str:
    """Return the SHA-256 of the content of a file."""
    digest = hashlib.sha256()
    with open(name, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _scan_bytes(name: str, encoding: str | None) -> tuple[str, str]:
    """Return the digest of the content and the detected encoding."""
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise FileError(f"encoding is {encoding!r}, which is unknown; use a name such as 'utf-8'.") from None
    digest, start, line = hashlib.sha256(), b"", 1
    decoder = codecs.getincrementaldecoder(encoding or "utf-8")()
    valid, error_line = 0, 0  # non-ASCII characters before the first invalid byte; the line of that byte
    with open_binary(name) as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            digest.update(chunk)
            start = start or chunk
            if not error_line:
                try:
                    text = decoder.decode(chunk, final=not chunk)
                    valid += len(text) - len(text.encode("ascii", "ignore"))
                    line += text.count("\n")
                except UnicodeDecodeError as error:
                    before = error.object[: error.start].decode(encoding or "utf-8", "ignore")
                    valid += len(before) - len(before.encode("ascii", "ignore"))
                    error_line = line + before.count("\n")
            if not chunk:
                break
    marked = _byte_order_mark(start)
    if encoding is not None:
        if error_line:
            raise FileError(f"{name}, line {error_line} is not {encoding}; set encoding to another one.")
        return digest.hexdigest(), encoding
    if marked and (marked != "utf-8-sig" or not error_line):
        return digest.hexdigest(), marked
    # In UTF-16, every second byte of a text with Latin letters is zero.
    for offset, order in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = start[offset::2]
        if half and half.count(0) > 0.8 * len(half):
            return digest.hexdigest(), order
    if not error_line:
        return digest.hexdigest(), "utf-8"
    guess = None if valid or marked else charset_normalizer.from_bytes(start[:SAMPLE_BYTES]).best()
    if guess is None or b"\x00" in start:
        raise FileError(
            f"{name}, line {error_line} is not UTF-8; correct it, or set encoding to the encoding of the file."
        )
    # Related encodings differ in few letters, which the guess often confuses. The encoding of Western spreadsheets is
    # the most common one, so it is used if it gives only letters and the usual punctuation.
    if guess.encoding not in LATIN_ENCODINGS:
        return digest.hexdigest(), guess.encoding
    western = start[:SAMPLE_BYTES].decode("cp1252", "replace")
    others = {character for character in western if character > "\x7f" and not character.isalpha()}
    return digest.hexdigest(), "cp1252" if others <= WESTERN_PUNCTUATION else guess.encoding


def _byte_order_mark(start: bytes) -> str | None:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if start.startswith(mark):
            return encoding
    return None


def detect_separator(lines: list[str], default: str) -> str:
    """Return the separator that gives the lines the same number of columns, at least two.

    Args:
        lines: The first lines of the file, with the header.
        default: The separator that is preferred, and returned if no separator gives two columns.
    """
    best, most = default, 0.0
    for separator in dict.fromkeys([default, *SEPARATORS]):
        rows = [row for row in csv.reader(lines, delimiter=separator) if row]
        if rows and len(rows[0]) > 1:
            same = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
            if same > most:
                best, most = separator, same
    return best


def has_unclosed_quotes(lines: Iterable[str]) -> bool:
    """Return whether quotes in a file with tabs are part of the text.

    That is so if every line has the same number of fields, and a field that starts with a quote is not a quoted field
    with its inner quotes doubled.
    """
    width, unclosed = None, False
    for line in lines:
        fields = line.rstrip("\r\n").split("\t")
        width = width or len(fields)
        if len(fields) != width and line.strip():
            return False
        for field in fields:
            if field.startswith('"'):
                inner = field[1:-1].replace('""', "")
                unclosed = unclosed or len(field) < 2 or not field.endswith('"') or '"' in inner
    return unclosed
