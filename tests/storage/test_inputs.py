from __future__ import annotations

from pathlib import Path

import pytest

from pertitle.errors import UsageError
from pertitle.storage.inputs import find_titles, folder_name


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_folders_are_searched_and_other_files_passed_over(tmp_path: Path) -> None:
    for name in ("a.mp4", "deep/b.MKV", "notes.txt", ".hidden.mp4", ".git/c.mp4"):
        touch(tmp_path / "in" / name)
    titles = find_titles([tmp_path / "in"], tmp_path / "out")
    assert [t.name for t in titles] == ["a", "b"]


def test_a_named_file_is_taken_whatever_its_suffix_and_only_once(tmp_path: Path) -> None:
    clip = touch(tmp_path / "clip.bin")
    titles = find_titles([clip, str(clip), tmp_path / "absent.mp4"], tmp_path / "out")
    assert [t.path.name for t in titles] == ["clip.bin", "absent.mp4"]


def test_globs_match_videos_only(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    touch(tmp_path / "a.txt")
    assert len(find_titles([str(tmp_path / "*")], tmp_path / "out")) == 1
    with pytest.raises(UsageError, match="nothing matches"):
        find_titles([str(tmp_path / "*.mov")], tmp_path / "out")


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    clip = touch(tmp_path / "take[1].mp4")
    assert find_titles([str(clip)], tmp_path / "out")[0].path == clip


def test_two_inputs_of_one_name_get_folders_of_their_own(tmp_path: Path) -> None:
    one, two = touch(tmp_path / "x/clip.mp4"), touch(tmp_path / "y/clip.mp4")
    three = touch(tmp_path / "x/Clip.mkv")
    names = [t.name for t in find_titles([one, two, three], tmp_path / "out")]
    assert len({n.casefold() for n in names}) == 3
    again = [t.name for t in find_titles([two, three, one], tmp_path / "out")]
    assert sorted(names) == sorted(again)


def test_the_output_folder_must_not_be_the_input(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match="also an input"):
        find_titles([tmp_path], tmp_path)


def test_an_output_folder_inside_the_input_is_not_searched(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    touch(tmp_path / "out/a/segments/old.mp4")
    assert len(find_titles([tmp_path], tmp_path / "out")) == 1


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    secret = touch(tmp_path / "elsewhere/secret.mp4")
    touch(tmp_path / "in/a.mp4")
    (tmp_path / "in/link.mp4").symlink_to(secret)
    assert [t.name for t in find_titles([tmp_path / "in"], tmp_path / "out")] == ["a"]


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("plain", "plain"),
        ("-rf", "rf"),
        ("../../etc", "_.._etc"),
        ("a\nb\x1b[31m", "a_b_[31m"),
        (" 'quoted' \"name\" ", "_quoted_ _name_"),
        ("ünïcode 映画", "ünïcode 映画"),
        ("...", "title"),
        ("x" * 300, "x" * 120),
    ],
)
def test_folder_names_are_safe_and_readable(stem: str, name: str) -> None:
    assert folder_name(stem) == name
