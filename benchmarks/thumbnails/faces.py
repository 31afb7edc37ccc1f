"""Face recall and false alarms on frames whose faces a person counted.

``tables/face_labels.csv`` holds a clip, a time in seconds, the number of human faces at least
8 % of the picture's short side high, turned no farther than about half a profile and not mostly
covered, and the number of unclear ones: smaller, in profile, covered, blurred, drawn, or of an
animal. An unclear face is neither a miss nor a false alarm.

Usage::

    python -m benchmarks.thumbnails.faces CLIPS_FOLDER
"""

from __future__ import annotations

import argparse
import csv
import time
from fractions import Fraction
from pathlib import Path

from pertitle.analysis.probe import probe
from pertitle.records import Analysis, Shot, Treatment
from pertitle.thumbnails.candidates import REFINED_SIDE
from pertitle.thumbnails.decoding import SCAN_SIDE, FrameReader
from pertitle.thumbnails.faces import FaceDetector

LABELS = Path(__file__).with_name("face_labels.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--list", action="store_true", help="name every frame with an error")
    options = parser.parse_args()
    with LABELS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    detector = FaceDetector()
    for side in (SCAN_SIDE, REFINED_SIDE):
        frames = labelled = found = alarms = alarmed = 0
        seconds = 0.0
        for row in rows:
            faces, unclear = int(row["faces"]), int(row["unclear"])
            source = probe(options.clips / row["clip"])
            whole = (Shot(0.0, source.duration),)
            treatment = Treatment(Fraction(source.video.frame_rate), source.size)
            moment = float(row["time"])
            with FrameReader(
                Analysis(source, treatment, whole, (), {}, (), 0.0), threads=1
            ) as reader:
                window = reader.window(moment - 0.001, moment + 1.0, limit=10_000)
                nearest = min(window, key=lambda frame: abs(frame.time - moment))
                image = reader.picture(nearest, side)
            began = time.process_time()
            count = len(detector.find(image))
            seconds += time.process_time() - began
            frames += 1
            labelled += faces
            found += min(count, faces)
            extra = max(0, count - faces - unclear)
            alarms += extra
            alarmed += extra > 0
            if options.list and (extra or count < faces):
                print(side, row["clip"], moment, f"labelled {faces}+{unclear}, found {count}")
        print(
            f"{side} pixels: {frames} frames, recall {found}/{labelled}"
            f" = {100 * found / labelled:.1f} %, false alarms {alarms} in {alarmed} frames,"
            f" {1000 * seconds / frames:.0f} ms CPU a frame"
        )


if __name__ == "__main__":
    main()
