"""The random source: published vectors, statistics, and independence of blocks, order, start and threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from iterand_engine import rng
from iterand_engine.machine.resources import resource
from iterand_engine.rng import (
    RandomKey,
    Stream,
    bernoulli,
    normal,
    permutation,
    philox,
    signs,
    uniform,
    words,
    words_at,
)

KEY = RandomKey(seed=1, stream=Stream.REDRAW, layer="layer1.0.conv1.weight", event=3)

FROZEN_KEY = (567445637, 204165854)
FROZEN_WORDS = [4078174933, 1376781183, 2460558733, 378436850, 854120865, 848736071]
FROZEN_PERMUTATION = [3, 5, 4, 1, 7, 6, 2, 0]

# kat_vectors of the Random123 library: counter, key, result.
KNOWN_ANSWERS = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]

# Rows that differ in one part of the key only.
RELATED_KEYS = [
    KEY,
    RandomKey(2, KEY.stream, KEY.layer, KEY.event),
    RandomKey(KEY.seed, Stream.WEIGHTS, KEY.layer, KEY.event),
    RandomKey(KEY.seed, KEY.stream, "layer1.0.conv2.weight", KEY.event),
    RandomKey(KEY.seed, KEY.stream, KEY.layer, KEY.event + 1),
    RandomKey(KEY.seed, KEY.stream, KEY.layer, KEY.event + (1 << 32)),
]

keys = st.builds(
    RandomKey,
    seed=st.integers(0, 2**64 - 1),
    stream=st.sampled_from(Stream),
    layer=st.text(max_size=20),
    event=st.integers(0, 2**64 - 1),
)
starts = st.one_of(st.integers(0, 100), st.integers(2**34 - 40, 2**34 + 40), st.integers(0, 2**60))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def set_size(size: int) -> None:
        monkeypatch.setattr(rng, "_block_size", lambda device: size)

    return set_size


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def reference_words(key: RandomKey, positions: list[int]) -> list[int]:
    """Philox4x32-10 in Python integers, as the paper writes it."""
    result = []
    for position in positions:
        block = position // 4
        c = [block % 2**32, block // 2**32, key.event % 2**32, key.event // 2**32]
        k0, k1 = key.words()
        for _ in range(10):
            first, second = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
            c = [second >> 32 ^ c[1] ^ k0, second % 2**32, first >> 32 ^ c[3] ^ k1, first % 2**32]
            k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
        result.append(c[position % 4])
    return result


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_that_philox_gives_the_published_vectors(
    counter: tuple[int, int, int, int], key: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert philox(counter, key) == expected
    c0, c1, c2, c3 = (torch.full((3,), word) for word in counter)
    for lanes in (philox((c0, c1, c2, c3), key), philox((c0, *counter[1:]), key)):
        for lane, word in zip(lanes, expected, strict=True):
            assert isinstance(lane, Tensor)
            assert lane.tolist() == [word] * 3


def test_that_released_values_never_change() -> None:
    assert [(s.name, s.value) for s in Stream] == [
        ("WEIGHTS", 0),
        ("SCORES", 1),
        ("REDRAW", 2),
        ("SHUFFLE", 3),
        ("AUGMENT", 4),
        ("SPLIT", 5),
        ("LIMIT", 6),
    ]
    assert KEY.words() == FROZEN_KEY
    assert words(KEY, 6).tolist() == FROZEN_WORDS
    assert permutation(KEY, 8, "cpu").tolist() == FROZEN_PERMUTATION


@given(key=keys, start=starts, count=st.integers(0, 40))
@settings(deadline=None)
def test_that_a_word_depends_on_key_and_position_alone(key: RandomKey, start: int, count: int) -> None:
    positions = list(range(start, start + count))
    expected = reference_words(key, positions)
    assert words(key, count, start=start).tolist() == expected
    order = torch.tensor(positions, dtype=torch.int64).flip(0).view(1, -1)
    assert words_at(key, order).tolist() == [expected[::-1]]


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 20])
def test_that_values_are_independent_of_the_block_size(
    small_blocks: Callable[[int], None], size: int
) -> None:
    shape = (7, 5, 3, 3)
    draws: list[Callable[[], Tensor]] = [
        lambda: words(KEY, 317, start=2),
        lambda: bernoulli(KEY, 0.3, shape, "cpu"),
        lambda: signs(KEY, shape, "cpu"),
        lambda: uniform(KEY, 0.7, shape, "cpu"),
        lambda: normal(KEY, 0.7, shape, "cpu"),
    ]
    expected = [draw() for draw in draws]
    small_blocks(size)
    assert all(torch.equal(draw(), values) for draw, values in zip(draws, expected, strict=True))


def test_that_blocks_cover_a_range_and_never_share_it_across_a_high_word() -> None:
    around = 1 << 32
    assert list(rng._blocks(around - 3, around + 5, 4)) == [
        (around - 3, around),
        (around, around + 4),
        (around + 4, around + 5),
    ]


def test_that_values_are_independent_of_the_number_of_threads(threads: Callable[[int], None]) -> None:
    threads(1)
    alone = uniform(KEY, 1.0, (300_001,), "cpu")
    threads(2)
    assert torch.equal(uniform(KEY, 1.0, (300_001,), "cpu"), alone)


def test_that_words_at_takes_any_shape_of_positions() -> None:
    assert words_at(KEY, torch.tensor(5)).shape == ()
    assert words_at(KEY, torch.empty((0, 3), dtype=torch.int64)).shape == (0, 3)
    assert words_at(KEY, torch.tensor([[5], [0]])).tolist() == [[words(KEY, 6)[5]], [words(KEY, 1)[0]]]


@pytest.mark.parametrize("key", RELATED_KEYS)
@pytest.mark.parametrize("shift", [0, 12, 24])
def test_that_words_are_uniform_by_chi_square(key: RandomKey, shift: int) -> None:
    counts = torch.bincount(words(key, 1 << 18) >> shift & 255, minlength=256)
    assert 1e-4 < stats.chisquare(counts.numpy()).pvalue < 1 - 1e-4


def test_that_words_of_many_keys_are_uniform_by_chi_square() -> None:
    """The first 16 words of each of 3 x 1,000 keys that count up: seeds, events and layers."""
    families = [
        [RandomKey(n, Stream.WEIGHTS, "fc.weight") for n in range(1000)],
        [RandomKey(1, Stream.REDRAW, "fc.weight", n) for n in range(1000)],
        [RandomKey(1, Stream.SCORES, f"layer{n}.weight") for n in range(1000)],
    ]
    for family in families:
        values = torch.cat([words(key, 16) for key in family])
        counts = torch.bincount(values >> 24, minlength=256)
        assert 1e-4 < stats.chisquare(counts.numpy()).pvalue < 1 - 1e-4


def centred(key: RandomKey, count: int) -> NDArray[np.float64]:
    return np.asarray((words(key, count).double() / 2**32 - 0.5).numpy(), dtype=np.float64)


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """In units of its standard deviation under independence."""
    return float(np.corrcoef(a, b)[0, 1] * np.sqrt(len(a)))


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 5, 8, 9, 64, 576])
def test_that_neighbouring_words_are_uncorrelated(lag: int) -> None:
    for key in RELATED_KEYS:
        values = centred(key, 1 << 17)
        assert abs(correlation(values[lag:], values[:-lag])) < 4.5


@pytest.mark.parametrize("lag", [0, 1, 4])
def test_that_rows_of_related_keys_are_uncorrelated(lag: int) -> None:
    count = 1 << 17
    rows = [centred(key, count) for key in RELATED_KEYS]
    for i, a in enumerate(rows):
        for b in rows[:i]:
            assert abs(correlation(a[lag:], b[: count - lag])) < 4.5


def test_that_layer_and_stream_cannot_be_confused_in_the_hash() -> None:
    made = {
        RandomKey(seed, stream, layer).words()
        for seed in (0, 1, 256, 2**32, 2**40)
        for stream in Stream
        for layer in ("", "a", "aa", "\0", "\0a", "conv1.weight")
    }
    assert len(made) == 5 * len(Stream) * 6


@pytest.mark.parametrize("bad", [-1, 2**64])
def test_that_a_key_refuses_what_its_bytes_cannot_hold(bad: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        RandomKey(bad, Stream.WEIGHTS)
    with pytest.raises(ValueError, match="event"):
        RandomKey(1, Stream.WEIGHTS, event=bad)


@given(rate=st.floats(0, 1), key=keys)
@settings(deadline=None, max_examples=50)
def test_that_bernoulli_compares_words_with_the_rate(rate: float, key: RandomKey) -> None:
    expected = words(key, 105) < int(rate * 2**32)
    assert torch.equal(bernoulli(key, rate, (5, 7, 3), "cpu"), expected.view(5, 7, 3))


def test_that_rate_zero_draws_none_and_rate_one_all() -> None:
    assert not bernoulli(KEY, 0.0, (100_000,), "cpu").any()
    assert bernoulli(KEY, 1.0, (100_000,), "cpu").all()


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.9])
def test_that_bernoulli_holds_its_rate(rate: float) -> None:
    hits = int(bernoulli(KEY, rate, (1 << 20,), "cpu").sum())
    assert abs(hits - rate * 2**20) < 4 * (rate * (1 - rate) * 2**20) ** 0.5


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_that_bernoulli_refuses_what_is_no_rate(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        bernoulli(KEY, rate, (3,), "cpu")


def test_that_signs_are_the_top_bits() -> None:
    values = signs(KEY, (3, 33), "cpu")
    assert values.dtype == torch.float32
    assert torch.equal(values.flatten(), torch.where(words(KEY, 99) < 2**31, 1.0, -1.0))


@given(bound=st.floats(2**-20, 100, allow_subnormal=False), key=keys)
@settings(deadline=None, max_examples=50)
def test_that_uniform_is_an_integer_times_one_constant(bound: float, key: RandomKey) -> None:
    values = uniform(key, bound, (9, 11), "cpu").numpy().ravel()
    integers = (words(key, 99).numpy() >> 8) - 2**23
    assert np.array_equal(values, integers.astype(np.float32) * np.float32(bound / 2**23))
    assert values.min() >= -np.float32(bound)
    assert values.max() < np.float32(bound)


def test_that_uniform_spreads_evenly_over_its_range() -> None:
    values = uniform(KEY, 0.25, (1 << 20,), "cpu").double()
    assert float(values.min()) >= -0.25
    assert float(values.max()) < 0.25
    assert abs(float(values.mean())) < 4 * 0.25 / 3**0.5 / 2**10
    assert float(values.var()) == pytest.approx(0.25**2 / 3, rel=0.005)
    assert torch.equal(values * 2**25, (values * 2**25).round())


def test_that_normal_is_a_quantile_times_the_deviation() -> None:
    table = np.load(resource("normal_quantiles.npy"))
    values = normal(KEY, 0.3, (10, 10), "cpu").numpy().ravel()
    assert np.array_equal(values, table[words(KEY, 100).numpy() >> 16] * np.float32(0.3))


def test_that_normal_has_the_moments_of_its_distribution() -> None:
    values = normal(KEY, 2.0, (1 << 20,), "cpu").double().numpy()
    assert abs(values.mean()) < 4 * 2 / 2**10
    assert values.std() == pytest.approx(2.0, rel=0.003)
    assert abs(stats.skew(values)) < 4 * 6**0.5 / 2**10
    assert abs(stats.kurtosis(values)) < 0.02
    assert stats.kstest(values[: 1 << 16] / 2, "norm").pvalue > 1e-4


def test_that_the_quantile_table_is_symmetric_and_can_be_recomputed() -> None:
    table = np.load(resource("normal_quantiles.npy"))
    assert table.dtype == np.float32
    assert table.shape == (1 << 16,)
    assert np.array_equal(table, -table[::-1])
    exact = np.array([NormalDist().inv_cdf((i + 0.5) / (1 << 16)) for i in range(1 << 16)])
    np.testing.assert_allclose(table, exact, rtol=2**-23)  # half a unit, and the library's own last bits


@given(key=keys, count=st.integers(0, 300))
@settings(deadline=None, max_examples=50)
def test_that_a_permutation_has_each_number_once_in_the_order_of_words(key: RandomKey, count: int) -> None:
    order = permutation(key, count, "cpu")
    assert sorted(order.tolist()) == list(range(count))
    assert order.dtype == torch.int64
    assert np.array_equal(order.numpy(), np.argsort(words(key, count).numpy(), kind="stable"))


def test_that_permutations_put_each_number_everywhere_equally_often() -> None:
    places = np.zeros((6, 6))
    for epoch in range(1200):
        order = permutation(RandomKey(1, Stream.SHUFFLE, event=epoch), 6, "cpu").numpy()
        places[np.arange(6), order] += 1
    assert stats.chi2.sf(((places - 200) ** 2 / 200).sum(), df=25) > 1e-4


@pytest.mark.parametrize("count", [0, 1, 4, 5, 63])
def test_that_a_draw_owns_no_more_memory_than_its_values(count: int) -> None:
    for values in (uniform(KEY, 1.0, (count,), "cpu"), words(KEY, count, start=3)):
        assert values.untyped_storage().nbytes() == count * values.element_size()


class NoHostRead(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Fails where a value would have to come to the host."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func not in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_that_no_draw_reads_the_device(device: str) -> None:
    """On the meta device there are no values at all, so whatever reads one fails."""
    with NoHostRead():  # type: ignore[no-untyped-call]
        draws = [
            words(KEY, 21, start=1, device=device),
            words_at(KEY, torch.arange(21, device=device)),
            bernoulli(KEY, 0.1, (7, 3), device),
            signs(KEY, (7, 3), device),
            uniform(KEY, 0.1, (7, 3), device),
            normal(KEY, 0.1, (7, 3), device),
            permutation(KEY, 21, device),
        ]
    assert all(draw.device.type == device and draw.numel() == 21 for draw in draws)


def test_that_the_check_for_host_reads_notices_one() -> None:
    with pytest.raises(AssertionError), NoHostRead():  # type: ignore[no-untyped-call]
        words(KEY, 1).item()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_that_a_gpu_draws_the_same_values() -> None:
    shape = (64, 333, 3, 3)
    draws: list[Callable[[str], Tensor]] = [
        lambda d: words(KEY, 5_000_001, start=2**34 - 7, device=d),
        lambda d: bernoulli(KEY, 0.1, shape, d),
        lambda d: signs(KEY, shape, d),
        lambda d: uniform(KEY, 0.37, shape, d),
        lambda d: normal(KEY, 0.37, shape, d),
        lambda d: permutation(KEY, 100_000, d),
    ]
    for draw in draws:
        assert torch.equal(draw("cuda").cpu(), draw("cpu"))
