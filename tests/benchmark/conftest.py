import pytest

from hf_lstm.benchmark import Setting


@pytest.fixture(scope="session")
def setting() -> Setting:
    """Eighty short texts of two classes, and the smallest sizes."""
    texts = [f"a {opinion} film, number {i} " * (1 + i % 7) for i in range(40) for opinion in ("good", "bad")]
    return Setting(texts, [0, 1] * 40, "cpu", repeats=1, smallest=True)
