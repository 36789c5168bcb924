import numpy as np
import pytest

from hf_lstm.data.batching import WINDOW_BATCHES, SimilarLengthSampler

LENGTHS = np.random.default_rng(0).integers(1, 400, 1_003)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 5_000])
def test_every_row_comes_once(batch_size):
    sampler = SimilarLengthSampler(LENGTHS, batch_size, seed=0)
    assert sorted(sampler) == list(range(len(LENGTHS))) and len(sampler) == len(LENGTHS)


def test_batches_are_of_similar_length_and_in_no_order_of_it():
    order = np.array(list(SimilarLengthSampler(LENGTHS, 8, seed=0)))
    batches = LENGTHS[order[: len(order) // 8 * 8]].reshape(-1, 8)
    random = LENGTHS[: len(order) // 8 * 8].reshape(-1, 8)
    assert np.ptp(batches, axis=1).mean() < np.ptp(random, axis=1).mean() / 10
    longest = batches.max(1)[:WINDOW_BATCHES]
    assert abs(np.corrcoef(np.arange(len(longest)), longest)[0, 1]) < 0.5


def test_seed_and_epoch_fix_the_order():
    def order(seed, epoch):
        sampler = SimilarLengthSampler(LENGTHS, 8, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4) and order(0, 3) != order(1, 3)
