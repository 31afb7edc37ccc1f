"""The package: HLS and DASH over one set of segments, subtitles, pictures for scrubbing, checks."""
