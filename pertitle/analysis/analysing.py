"""Everything that is learnt of a title before it is encoded, in one call."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pertitle.analysis.defects import find_defects, native_lines
from pertitle.analysis.digest import choose_digest, feature_windows
from pertitle.analysis.features import measure_features
from pertitle.analysis.frames import decoder, planes_of
from pertitle.analysis.probe import probe, upright
from pertitle.analysis.scan import every_frame, is_short, look_around, spending_of
from pertitle.analysis.shots import coarse_shots, find_shots
from pertitle.analysis.treatment import decide_treatment
from pertitle.analysis.view import as_shown, first_picture
from pertitle.errors import SourceError
from pertitle.records import Analysis, Source, SourceWarning


def analyse(
    path_or_source: Path | str | Source,
    *,
    segment_seconds: float = 4.0,
    crop: bool = False,
    sound: bool = True,
    ffmpeg: str | None = None,
    on_progress: Callable[[float], None] = lambda done: None,
) -> Analysis:
    """Probe, look over and measure a title; the cost is bounded whatever its length.

    Args:
        path_or_source: a file, or what :func:`pertitle.analysis.probe` said of it.
        segment_seconds: length of a delivered segment; no digest window is longer.
        crop: cut a letterbox away.
        sound: with its sound tracks; without, a warning says that they are left out.
        ffmpeg: the program that will decode the title; the analysis then sees what it sees.
        on_progress: called with the share of the work done, 0 to 1.

    Raises:
        SourceError: the file is not a usable video.
    """
    started = time.monotonic()
    source = (
        path_or_source if isinstance(path_or_source, Source) else probe(path_or_source, sound=sound)
    )
    if ffmpeg is not None:
        source = _as_seen_by(ffmpeg, source)
    with decoder(source) as decode:
        looks = look_around(decode, source, lambda done: on_progress(0.4 * done))
        if not looks:
            raise SourceError(f"{source.path.name}: no picture can be decoded")
        spending = spending_of(decode)
        glances = list(every_frame(decode)) if is_short(source) else []
    if glances:
        shots = find_shots(glances, source.duration)
    else:
        shots = coarse_shots(looks, source.duration)
    on_progress(0.5)
    treatment = decide_treatment(source, looks, glances, crop=crop)
    digest = choose_digest(looks, spending, source.duration, treatment.frame_rate, segment_seconds)
    features = measure_features(source, feature_windows(digest), treatment)
    warnings = find_defects(source, treatment, looks, glances, features)
    warnings = (*source.remarks, *warnings)
    if len(decode.sizes) > 1:
        message = f"the picture changes its size in mid-stream; all of it is {treatment.size} now"
        warnings = (*warnings, SourceWarning("size-change", message))
    if not sound:
        message = "its sound cannot be read and is left out"
        warnings = (*warnings, SourceWarning("unreadable-sound", message))
    on_progress(1.0)
    return Analysis(
        source=source,
        treatment=treatment,
        shots=shots,
        digest=digest,
        features=features,
        warnings=warnings,
        seconds=time.monotonic() - started,
        native_height=native_lines(treatment.size.height, features),
    )


def _as_seen_by(ffmpeg: str, source: Source) -> Source:
    """The source with the crop window, rotation and mirroring that ffmpeg applies."""
    with decoder(source) as decode:
        first = decode.first()
    try:
        video = as_shown(source.video, planes_of(first)[0], first_picture(ffmpeg, source))
    except SourceError as error:
        raise SourceError(f"{source.path.name}: {error}") from error
    return replace(source, video=video, size=upright(video))
