import pytest

from hf_lstm.benchmark.start import measure_start


@pytest.mark.slow
def test_import_loading_and_size_are_measured(setting):
    rows = measure_start(setting)
    assert [row.name for row in rows] == [
        f"{name}, {what}" for name in ("hf_lstm 128", "MiniLM-shaped") for what in ("import", "load", "on disk")
    ]
    assert [row.unit for row in rows] == ["s", "s", "MB"] * 2 and all(row.value > 0 for row in rows)
