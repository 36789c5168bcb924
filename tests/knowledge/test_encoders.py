import sys

import pytest

from hf_lstm.knowledge.encoders import load_encoder


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ImportError, match=r'pip install "hf_lstm\[encoders\]"'):
        load_encoder("any/encoder")
