import json

import pytest


@pytest.fixture
def write_probabilities(tmp_path):
    """Return a function that writes a csv or jsonl file of probabilities and returns its path."""

    def write(name: str, probabilities: dict[str, list], label_names) -> str:
        path = tmp_path / name
        rows = [{"text": text} | dict(zip(label_names, row, strict=True)) for text, row in probabilities.items()]
        if path.suffix == ".csv":
            path.write_text("\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]) + "\n")
        else:
            path.write_text("\n".join(map(json.dumps, rows)) + "\n")
        return str(path)

    return write
