"""The DASH manifest: finishing touches (ISO/IEC 23009-1)."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from fractions import Fraction

from pertitle.encoder.package.manifests import Rates, TextTrack

NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
DASH = f"{{{NAMESPACE}}}"
_PREFIXES = {
    "": NAMESPACE,
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xlink": "http://www.w3.org/1999/xlink",
    "cenc": "urn:mpeg:cenc:2013",
}


def element(
    name: str, *inside: ElementTree.Element, text: str = "", **told: object
) -> ElementTree.Element:
    """An element of a manifest; attributes that are None or empty are left out."""
    made = ElementTree.Element(
        DASH + name, {key: str(value) for key, value in told.items() if value not in (None, "")}
    )
    made.text = text or None
    made.extend(inside)
    return made


def tidy_mpd(
    text: str,
    rates: Mapping[str, Rates],
    *,
    subtitles: Sequence[TextTrack] = (),
    extra_sets: Sequence[ElementTree.Element] = (),
) -> str:
    """State measured rates, name subtitles, number the sets, write frame rates in lowest terms.

    ("12800/512" puzzles some players.)

    Args:
        rates: by address of the track's initialisation segment, or of its single file.
        extra_sets: further adaptation sets.
    """
    root = ElementTree.fromstring(text)
    for one in root.iter():
        if "frameRate" in one.attrib:
            one.set("frameRate", str(Fraction(one.attrib["frameRate"])))
    # The packager numbers sets as its threads come by: two runs would differ in nothing else.
    for number, one in enumerate(root.iter(f"{DASH}AdaptationSet")):
        one.set("id", str(number))
    for one in root.iter(f"{DASH}BaseURL"):
        # The packager escapes the slash too, and a server need not take that for one.
        one.text = (one.text or "").replace("%2F", "/")
    for track in root.iter(f"{DASH}Representation"):
        addresses = [one.get("initialization", "") for one in track.iter(f"{DASH}SegmentTemplate")]
        addresses += [one.text or "" for one in track.iter(f"{DASH}BaseURL")]
        for address in addresses:
            if address in rates:
                track.set("bandwidth", str(rates[address].peak))
    for period in root.iter(f"{DASH}Period"):
        period.extend(_subtitle_set(i, track) for i, track in enumerate(subtitles))
        period.extend(extra_sets)
    ElementTree.indent(root)
    for prefix, address in _PREFIXES.items():
        ElementTree.register_namespace(prefix, address)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _subtitle_set(number: int, track: TextTrack) -> ElementTree.Element:
    return element(
        "AdaptationSet",
        element("Role", schemeIdUri="urn:mpeg:dash:role:2011", value="subtitle"),
        element("Label", text=track.name),
        element(
            "Representation",
            element("BaseURL", text=track.file),
            id=f"subtitles-{number + 1}",
            bandwidth=1000,
        ),
        id=1000 + number,
        contentType="text",
        mimeType="text/vtt",
        lang=track.language,
    )
