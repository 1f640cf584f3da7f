"""The store of programs: counts, eviction, threads."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from skdeep import MLPRegressor, engine
from skdeep.engine.cache import CacheInfo, ProgramCache


def test_counts_hits_misses_and_kinds():
    cache = ProgramCache()
    built = [
        cache.get(kind, key, partial(tuple, kind + key)) for kind, key in ["aa", "ab", "aa", "ba"]
    ]
    assert built == [("a", "a"), ("a", "b"), ("a", "a"), ("b", "a")]
    assert cache.info() == CacheInfo(1, 3, 3, 1024, {"a": 2, "b": 1})
    cache.clear()
    assert cache.info() == CacheInfo(0, 0, 0, 1024, {})


def test_same_thing_is_returned_until_cleared():
    cache = ProgramCache()
    first = cache.get("a", 1, object)
    assert cache.get("a", 1, object) is first
    cache.clear()
    assert cache.get("a", 1, object) is not first


def test_overflow_drops_what_was_not_used_for_longest_and_warns():
    cache = ProgramCache(max_size=2)
    first, second = cache.get("a", 1, object), cache.get("a", 2, object)
    assert cache.get("a", 1, object) is first
    with pytest.warns(ResourceWarning, match="More than 2 programs"):
        cache.get("a", 3, object)
    assert cache.info().size == 2
    assert cache.get("a", 1, object) is first
    with pytest.warns(ResourceWarning):
        assert cache.get("a", 2, object) is not second


def test_failed_build_leaves_nothing_and_may_be_tried_again():
    cache = ProgramCache()
    with pytest.raises(ZeroDivisionError):
        cache.get("a", 1, lambda: 1 / 0)
    assert cache.info().size == 0
    assert cache.get("a", 1, lambda: "built") == "built"


def test_threads_that_want_the_same_thing_build_it_once():
    cache, barrier, built = ProgramCache(), threading.Barrier(8), []

    def build():
        built.append(threading.get_ident())
        time.sleep(0.05)  # long enough for all to ask
        return object()

    def ask(_):
        barrier.wait()
        return cache.get("a", 1, build)

    with ThreadPoolExecutor(8) as pool:
        results = set(pool.map(ask, range(8)))
    assert len(results) == len(built) == 1
    assert cache.info()[:2] == (7, 1)


def test_threads_build_different_things_side_by_side():
    cache, both = ProgramCache(), threading.Barrier(2, timeout=10)
    with ThreadPoolExecutor(2) as pool:  # each build waits for the other
        waits = list(pool.map(lambda key: cache.get("a", key, both.wait), range(2)))
    assert sorted(waits) == [0, 1]


def test_building_may_ask_for_other_things():
    cache = ProgramCache()
    outer = cache.get("outer", 1, lambda: ("outer", cache.get("inner", 1, lambda: "inner")))
    assert outer == ("outer", "inner")
    assert cache.info().kinds == {"outer": 1, "inner": 1}


def test_clearing_between_fit_and_predict_changes_no_bit():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    model = MLPRegressor(hidden_layer_sizes=(4,), epochs=2, random_state=0).fit(X, y)
    before = model.predict(X)
    engine.cache_clear()
    assert engine.cache_info().size == 0
    np.testing.assert_array_equal(model.predict(X), before)
    assert engine.cache_info().kinds["predict (graph)"] == 1
    np.testing.assert_array_equal(model.fit(X, y).predict(X), before)
