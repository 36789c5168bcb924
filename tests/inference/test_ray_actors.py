import os
import signal
import sys
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import LocalFileSystem

from hf_lstm.inference import ray_actors
from hf_lstm.inference.loading import load_scorer
from hf_lstm.inference.many_files import FileScorer, predict_files
from hf_lstm.inference.ray_actors import RayActors

TEXTS = ["a good film", "a bad film", None, "not a good film at all", "not bad", ""]


def write_files(folder: Path, count: int) -> Path:
    folder.mkdir()
    for i in range(count):
        texts = TEXTS[i % 6 :] + TEXTS[: i % 6]
        pq.write_table(pa.table({"id": pa.array(range(i, i + 6), pa.int32()), "text": texts}), folder / f"{i}.parquet")
    return folder


def check_same(first: Path, second: Path) -> None:
    """The folders have the same files with the same rows, types and order."""
    names = [sorted(path.name for path in folder.glob("[!.]*")) for folder in (first, second)]
    assert names[0] == names[1]  # without the record of the model
    for path in (first / name for name in names[0]):
        one, other = pq.read_table(path), pq.read_table(second / path.name)
        assert one.drop_columns("predicted_score").equals(other.drop_columns("predicted_score"))
        scores = [table["predicted_score"].to_pylist() for table in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5) and one.schema.equals(other.schema)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "actors"), [(200, 2), (20, 4)])
def test_actors_write_what_one_process_writes(ray, folder, tmp_path, count, actors):
    data = write_files(tmp_path / "data", count)
    (data / "damaged.parquet").write_text("damaged")
    (data / "empty.csv").write_text("id,text\n")
    (data / "nothing.csv").write_text("")
    for name, run in (("alone", {}), ("actors", {"run": RayActors(actors)})):
        results, finished = predict_files(str(folder), f"{data}/*", f"{tmp_path}/{name}", **run)
        assert len(results) == count + 3 and finished == 0
        assert sorted(Path(result.source).name for result in results if result.error) == [
            "damaged.parquet",
            "nothing.csv",
        ]
        assert sum(result.rows for result in results) == 6 * count
    assert (tmp_path / "actors" / "empty.csv").read_text() == (tmp_path / "alone" / "empty.csv").read_text()
    for name in ("alone", "actors"):
        (tmp_path / name / "empty.csv").unlink()
    check_same(tmp_path / "alone", tmp_path / "actors")
    results, finished = predict_files(str(folder), f"{data}/*.parquet", f"{tmp_path}/actors", RayActors(actors))
    assert finished == count and [Path(result.source).name for result in results] == ["damaged.parquet"]


def deadly(is_deadly) -> type[FileScorer]:
    """A scorer that kills its process before some files. The class is defined here, so that Ray sends its code."""

    class Deadly(FileScorer):
        def load(self):
            score = FileScorer.load(self)

            def score_or_die(job):
                if is_deadly(job):
                    os.kill(os.getpid(), signal.SIGKILL)
                return score(job)

            return score_or_die

    return Deadly


def jobs_of(data: Path, target: Path) -> list[tuple[str, str]]:
    return [(str(path), str(target / path.name)) for path in sorted(data.iterdir())]


@pytest.mark.slow
def test_files_of_a_killed_actor_are_repeated(ray, folder, tmp_path):
    data, marker = write_files(tmp_path / "data", 8), tmp_path / "killed"

    def is_first(job) -> bool:
        if not job[0].endswith("/3.parquet") or marker.exists():
            return False
        marker.touch()
        return True

    arguments = partial(load_scorer, str(folder)), LocalFileSystem(), LocalFileSystem(), {}
    results = list(RayActors(2)(deadly(is_first)(*arguments), jobs_of(data, tmp_path / "actors")))
    assert marker.exists() and len(results) == 8 and all(result.error is None for result in results)
    predict_files(str(folder), f"{data}/*", f"{tmp_path}/alone")
    check_same(tmp_path / "alone", tmp_path / "actors")


@pytest.mark.slow
def test_a_file_that_kills_each_process_is_given_up(ray, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_actors, "RETRIES", 1)
    data = write_files(tmp_path / "data", 4)
    arguments = partial(load_scorer, str(folder)), LocalFileSystem(), LocalFileSystem(), {}
    scorer = deadly(lambda job: job[0].endswith("/1.parquet"))(*arguments)
    results = list(RayActors(1)(scorer, jobs_of(data, tmp_path / "actors")))
    errors = {Path(result.source).name: result.error for result in results if result.error}
    assert len(results) == 4 and list(errors) == ["1.parquet"] and "ended, 2 times" in errors["1.parquet"]
    assert sorted(os.listdir(tmp_path / "actors")) == ["0.parquet", "2.parquet", "3.parquet"]


@pytest.mark.slow
def test_too_many_actors_and_a_model_that_actors_cannot_load(ray, folder, tmp_path):
    data = write_files(tmp_path / "data", 2)
    with pytest.raises(ValueError, match="has 4 cores, too few for 9 actors"):
        predict_files(str(folder), f"{data}/*", f"{tmp_path}/scored", RayActors(9))
    (folder / "model.safetensors").write_text("damaged")
    with pytest.raises(OSError, match="An actor could not be started: .*damaged"):
        predict_files(str(folder), f"{data}/*", f"{tmp_path}/scored", RayActors(1))


def test_a_cluster_without_cores_is_refused(monkeypatch, folder, tmp_path):
    class Ray:
        is_initialized, cluster_resources = staticmethod(lambda: True), staticmethod(lambda: {"memory": 1e9})

    monkeypatch.setattr(ray_actors, "_import_ray", lambda: Ray)
    with pytest.raises(ValueError, match="has 0 cores, too few for 1 actor; lower --actors, or add a machine"):
        predict_files(str(folder), f"{write_files(tmp_path / 'data', 1)}/*", f"{tmp_path}/scored", RayActors())


def test_ray_is_an_extra(monkeypatch, folder, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r'pip install "hf_lstm\[ray\]"'):
        predict_files(str(folder), f"{write_files(tmp_path / 'data', 1)}/*", f"{tmp_path}/scored", RayActors())
