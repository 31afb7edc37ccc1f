from __future__ import annotations

import os
from pathlib import Path

from pertitle.storage.cache import Cache


def test_what_was_put_is_found_and_nothing_else(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("abcd", {"x": 1})
    assert cache.get("abcd") == {"x": 1}
    assert cache.get("abce") is None
    assert cache.info().entries == 1


def test_a_damaged_entry_is_measured_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("abcd", {"x": 1})
    next(tmp_path.rglob("*.json")).write_text('{"x"')
    assert cache.get("abcd") is None


def test_pruning_removes_what_was_used_longest_ago(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for i, key in enumerate(("aa1", "bb2", "cc3")):
        cache.put(key, {"filler": "x" * 1000})
        os.utime(cache._path(tmp_path, key), (i, i))
    cache.get("aa1")  # used just now
    assert cache.prune(2500) == 1
    assert cache.get("bb2") is None
    assert cache.get("aa1") is not None


def test_a_cache_that_cannot_be_written_does_not_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file")
    cache.put("abcd", 1)
    assert cache.get("abcd") is None
    assert Cache(None).get("abcd") is None
