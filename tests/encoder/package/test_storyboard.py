"""Storyboards: the right picture at the right place, named in the manifests."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from pathlib import Path

import av
import m3u8
import numpy as np
import pytest

from pertitle.codecs import codec_named
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.packaging import package
from pertitle.encoder.package.storyboard import (
    bif,
    make_bif,
    make_storyboard,
    read_bif,
    storyboard_vtt,
)
from pertitle.encoder.package.subtitles import read_cues
from pertitle.encoder.renditions import encode_renditions
from pertitle.errors import DeliveryError
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip
from tests.encoder.helpers import analysis_of, rendition_of, rung


def test_pictures_stand_where_the_cues_say(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    # Every half second is 8 of 255 brighter than the one before: 28 pictures, two sheets.
    clip = make_clip(
        "color=black:s=160x96:r=10:d=13.8,geq=lum='20+8*floor(T*2)':cb=128:cr=128", "steps.mkv",
        "-c:v", "libx264", "-qp", "0", "-preset", "ultrafast",
    )  # fmt: skip
    (encoded,) = encode_renditions(
        toolbox, analysis_of(clip), [rung(160, 96, 12, 900)], codec=codec_named("h264"),
        preset="ultrafast", segment_seconds=0.5, vbv_ratio=4, folder=tmp_path,
    )  # fmt: skip
    rendition = rendition_of(encoded)
    board = make_storyboard(
        toolbox, rendition, gop=5, frame_rate=Fraction(10), folder=tmp_path / "100% board"
    )
    assert (board.pictures, len(board.sheets)) == (28, 2)
    sheets = {}
    for path in board.sheets:
        with av.open(str(path)) as container:
            sheets[path.name] = next(container.decode(video=0)).to_ndarray(format="gray")
        assert sheets[path.name].shape == (480, 800)
    cues = read_cues(storyboard_vtt(board))
    assert [cue.start for cue in cues] == pytest.approx(np.arange(28) * 0.5)
    assert cues[-1].end == pytest.approx(13.8)
    levels = []
    for cue in cues:
        name, _, place = cue.text.partition("#xywh=")
        x, y, width, height = (int(value) for value in place.split(","))
        levels.append(sheets[name][y : y + height, x : x + width].mean())
    # Full-range gray of limited-range steps of 8.
    assert np.diff(levels) == pytest.approx(8 * 255 / 219, abs=1.5)

    packed_bif = tmp_path / "title.bif"
    make_bif(toolbox, rendition, gop=5, frame_rate=Fraction(10), target=packed_bif)
    made = package(
        toolbox, [rendition], (), folder=tmp_path / "p", segment_seconds=0.5,
        frame_rate=Fraction(10), storyboard=board, bif=packed_bif,
    )  # fmt: skip

    def check() -> None:
        check_package(
            tmp_path / "p", made, [rendition], (), segment_seconds=0.5,
            frame_rate=Fraction(10), storyboard=board, bif=True,
        )  # fmt: skip

    check()
    mpd = ElementTree.parse(tmp_path / "p" / "manifest.mpd").getroot()
    (images,) = [
        s for s in mpd.iter("{urn:mpeg:dash:schema:mpd:2011}AdaptationSet")
        if s.get("contentType") == "image"
    ]  # fmt: skip
    template = images.find("{urn:mpeg:dash:schema:mpd:2011}SegmentTemplate")
    assert template is not None
    assert Fraction(template.get("duration", "0")) / int(template.get("timescale", "1")) == 12.5
    assert (tmp_path / "p/segments/storyboard/00002.jpg").is_file()
    packed = tmp_path / "p" / "segments" / "storyboard"
    interval, pictures = read_bif((packed / "storyboard.bif").read_bytes())
    assert (interval, len(pictures)) == (Fraction(1, 2), 28)
    with av.open(io.BytesIO(pictures[27]), "r") as picture:
        last = next(picture.decode(video=0))
    assert (last.width, last.height) == (320, 192)
    assert last.to_ndarray(format="gray").mean() == pytest.approx(levels[27], abs=2)
    parsed = m3u8.load(str(tmp_path / "p" / "master.m3u8"))
    (images,) = parsed.image_playlists
    tiles = m3u8.load(str(tmp_path / "p" / images.uri)).segments
    assert [(s.uri, s.duration) for s in tiles] == [("00001.jpg", 12.5), ("00002.jpg", 1.3)]
    assert (packed / "images.m3u8").read_text().count("LAYOUT=5x5,DURATION=0.500") == 2

    for victim, spoil in (
        (packed / "images.m3u8", lambda text: text.replace("00002.jpg", "00003.jpg")),
        (packed / "storyboard.vtt", lambda text: text.replace("00001.jpg", "00009.jpg")),
        (tmp_path / "p" / "manifest.mpd", lambda text: text.replace('value="5x5"', 'value="4x5"')),
        (
            packed.parent / "video-h264-96p" / "iframes.m3u8",
            lambda text: re.sub(r"BYTERANGE:\d+@(\d+)", r"BYTERANGE:900@9\1", text),
        ),
    ):
        whole = victim.read_text()
        assert spoil(whole) != whole
        victim.write_text(spoil(whole))
        with pytest.raises(DeliveryError):
            check()
        victim.write_text(whole)
    check()


def test_a_damaged_bif_is_refused() -> None:
    data = bif([b"one", b"three"], Fraction(4))
    assert read_bif(data) == (Fraction(4), (b"one", b"three"))
    for broken in (data[:70], data[:-1], b"x" + data[1:], data + b"more"):
        with pytest.raises(DeliveryError):
            read_bif(broken)
