"""From a plan to files: probe encodes, renditions, verification, sound and packages."""

from pertitle.encoder.audio import encode_audio
from pertitle.encoder.checks import check_rendition
from pertitle.encoder.package_check import check_package
from pertitle.encoder.packaging import package
from pertitle.encoder.prober import DigestProber
from pertitle.encoder.renditions import EncodedRung, encode_renditions
from pertitle.encoder.storyboard import Storyboard, make_storyboard
from pertitle.encoder.subtitles import SubtitleRendition, extract_subtitles
from pertitle.encoder.verification import Verifier, verify_rendition

__all__ = [
    "DigestProber",
    "EncodedRung",
    "Storyboard",
    "SubtitleRendition",
    "Verifier",
    "check_package",
    "check_rendition",
    "encode_audio",
    "encode_renditions",
    "extract_subtitles",
    "make_storyboard",
    "package",
    "verify_rendition",
]
