import multiprocessing
import pickle
import shutil
import sys
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset
from helpers import ROOT

from hf_lstm import LstmForSequenceClassification
from hf_lstm.inference.batch_predictor import BatchPredictor
from hf_lstm.inference.files import predict_file
from hf_lstm.inference.prediction import predict_texts

TEXTS = ["a good film", None, "not a good film at all", ""]


@pytest.fixture
def expected(model, tokenizer, tmp_path) -> pa.Table:
    """What `hf-lstm predict` writes."""
    pq.write_table(table(), tmp_path / "in.parquet")
    score = partial(predict_texts, model, tokenizer)
    predict_file(score, model.config, tmp_path / "in.parquet", tmp_path / "out.parquet")
    return pq.read_table(tmp_path / "out.parquet")


def table() -> pa.Table:
    return pa.table({"id": pa.array(range(4), pa.int16()), "text": pa.array(TEXTS, pa.large_string())})


def check(rows, expected: pa.Table) -> None:
    """Compare rows with those of a file. pandas and arrays of numbers have NaN where Arrow has null."""
    for row, other in zip(rows, expected.to_pylist(), strict=True):
        row = {name: None if pd.isna(value) else value for name, value in row.items()}
        assert row == other | {"predicted_score": other["predicted_score"] and pytest.approx(other["predicted_score"])}


def test_batches_of_arrow_are_those_of_a_file(folder, expected):
    predict = BatchPredictor(folder)
    batch = predict(table())
    assert batch.schema.equals(expected.schema) and isinstance(batch, pa.Table)
    check(batch.to_pylist(), expected)
    record_batch = predict(table().to_batches()[0])
    assert isinstance(record_batch, pa.RecordBatch) and record_batch.to_pylist() == batch.to_pylist()
    assert predict(batch).equals(batch)  # columns of earlier predictions are replaced
    assert predict(table().slice(0, 0)).schema.equals(expected.schema)


def test_batches_of_pandas_keep_their_index(folder, expected):
    frame = pd.DataFrame({"id": range(4), "text": TEXTS}, index=[5, 5, 7, 6])
    before = frame.copy()
    scored = BatchPredictor(folder)(frame)
    assert list(scored.index) == [5, 5, 7, 6] and list(scored.columns) == expected.column_names
    assert scored["predicted_score"].dtype == np.float64 and scored["predicted_score"].isna().sum() == 1
    check(scored.to_dict("records"), expected)
    pd.testing.assert_frame_equal(frame, before)
    assert BatchPredictor(folder)(frame.iloc[:0])["predicted_score"].dtype == np.float64


def test_batches_of_lists_and_arrays_keep_their_types(folder, expected):
    predict = BatchPredictor(folder, text_column="text")
    lists = predict({"id": list(range(4)), "text": TEXTS, "sentence": TEXTS})
    assert isinstance(lists["predicted_label"], list) and lists["predicted_score"][1] is None
    check([dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)], expected.append_column(
        "sentence", pa.array(TEXTS)
    ))  # fmt: skip
    arrays = predict({"id": np.arange(4), "text": np.array(TEXTS, dtype=object)})
    assert arrays["predicted_score"].dtype == np.float64 and arrays["predicted_label"].dtype == object
    check([dict(zip(arrays, row, strict=True)) for row in zip(*arrays.values(), strict=True)], expected)


def test_several_labels_are_lists(tiny_config, tokenizer, tmp_path):
    config = tiny_config(num_labels=2, problem_type="multi_label_classification", threshold=0.0)
    for part in (LstmForSequenceClassification(config), tokenizer):
        part.save_pretrained(tmp_path)
    predict = BatchPredictor(tmp_path)
    scored = predict({"text": TEXTS})
    assert set(scored["predicted_label"][0]) == {"LABEL_0", "LABEL_1"} and scored["predicted_label"][1] is None
    assert list(predict(pd.DataFrame({"text": TEXTS}))["predicted_score"][2]) == scored["predicted_score"][2]


def test_an_iterator_of_batches_gives_an_iterator(folder, expected):
    scored = BatchPredictor(folder)(iter([table().slice(0, 3), table().slice(3)]))
    assert not isinstance(scored, list)
    check(pa.concat_tables(scored).to_pylist(), expected)


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ({"words": ["good"]}, ValueError, "The batch has no column with a usual text name; set text_column"),
        ({"text": ["good", 5]}, ValueError, "Column 'text' of the batch holds 5 in row 2, not a text"),
        (["good"], TypeError, "Expected a batch of columns .*, got a list"),
        ("good", TypeError, "Expected a batch of columns .*, got a str"),
        (
            {"text": "good"},
            TypeError,
            "Column 'text' holds one text, not a batch; call .datasets.map. with batched=True",
        ),
        ({"text": None}, TypeError, "holds one text, not a batch"),
    ],
)
def test_unsuitable_batches_are_refused(folder, batch, error, message):
    with pytest.raises(error, match=message):
        BatchPredictor(folder)(batch)


def test_a_missing_classifier_is_noticed_at_once(tmp_path):
    with pytest.raises(OSError, match="There is no folder"):
        BatchPredictor(tmp_path / "absent")


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_copy_has_no_weights_and_finds_the_folder_from_elsewhere(folder, expected, monkeypatch, tmp_path, threads):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    monkeypatch.chdir(folder.parent)
    predict = BatchPredictor(folder.name)
    before = pickle.dumps(predict)
    predict(table())
    assert pickle.dumps(predict) == before and len(before) < 1_000  # `datasets` names its cache by the pickled object
    monkeypatch.chdir("/")
    check(pickle.loads(before)(table()).to_pylist(), expected)
    assert torch.get_num_threads() == 1


def test_another_classifier_in_the_folder_is_noticed(folder, tiny_config, monkeypatch):
    predict = BatchPredictor(folder)
    LstmForSequenceClassification(tiny_config()).save_pretrained(folder)
    with pytest.raises(ValueError, match="is not the same classifier as when the BatchPredictor was created"):
        predict(table())
    assert pickle.dumps(BatchPredictor(folder)) != pickle.dumps(predict)


def test_a_first_batch_without_labels_needs_the_format_arrow(folder):
    rows = Dataset.from_dict({"text": [None, None, *TEXTS]})
    rows = rows.with_format("arrow")
    scored = rows.map(BatchPredictor(folder), batched=True, batch_size=2, load_from_cache_file=False)
    assert [scored.features[f"predicted_{name}"].dtype for name in ("label", "score")] == ["string", "float64"]
    assert scored.with_format(None)["predicted_label"][:2] == [None, None] and scored.num_rows == 6


@pytest.mark.slow
def test_two_processes_of_datasets(folder, expected):
    predict = BatchPredictor(folder)
    rows = Dataset(pa.concat_tables([table()] * 20))
    alone = rows.map(predict, batched=True, batch_size=7, load_from_cache_file=False)
    # The processes are forked after the model has run in this one.
    scored = rows.map(predict, batched=True, batch_size=7, num_proc=2, load_from_cache_file=False)
    check(scored.to_list(), pa.concat_tables([expected] * 20))
    assert scored.features == alone.features
    assert predict({"text": TEXTS})["predicted_label"] == expected["predicted_label"].to_pylist()


@pytest.mark.slow
def test_a_spawned_process_loads_the_model(folder, expected):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (scored,) = pool.map(BatchPredictor(folder), [table()])
    check(scored.to_pylist(), expected)


@pytest.mark.slow
@pytest.mark.parametrize("batch_format", ["numpy", "pandas", "pyarrow"])
def test_tasks_and_actors_of_ray(ray, folder, expected, batch_format):
    data = pytest.importorskip("ray.data")
    data.DataContext.get_current().enable_progress_bars = False
    rows = data.from_arrow(pa.concat_tables([table()] * 3))
    options = {"batch_format": batch_format, "batch_size": 4}
    scored = rows.map_batches(BatchPredictor(folder), **options).take_all()
    check(sorted(scored, key=lambda row: row["id"])[::3], expected)
    pool = data.ActorPoolStrategy(size=1)
    actors = rows.map_batches(BatchPredictor, fn_constructor_args=(folder,), compute=pool, **options).take_all()
    check(sorted(actors, key=lambda row: row["id"])[::3], expected)


@pytest.mark.slow
def test_frames_of_spark(folder, expected, monkeypatch):
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    spark = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        spark.sparkContext.setLogLevel("OFF")
        rows = spark.createDataFrame(list(enumerate(TEXTS)), "id int, text string").repartition(2)
        schema = "id int, text string, predicted_label string, predicted_score double"
        scored = rows.mapInPandas(BatchPredictor(folder), schema).orderBy("id").collect()
        check([row.asDict() for row in scored], expected)
        assert scored[1].predicted_score is None
    finally:
        spark.stop()
