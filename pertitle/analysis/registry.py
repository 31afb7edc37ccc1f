"""The register of features: every name with its unit, meaning and source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Feature:
    """One number of the feature vector.

    Attributes:
        unit: its unit.
        meaning: what it measures.
        reference: where the measure comes from; empty for the project's own.
    """

    unit: str
    meaning: str
    reference: str = ""


@dataclass(frozen=True)
class _Base:
    """A measure taken on many pictures, and how its series becomes features.

    ``offset`` is added before a binary logarithm is taken; None leaves the measure linear.
    """

    unit: str
    meaning: str
    reference: str
    offset: float | None
    statistics: tuple[str, ...]


P910 = "ITU-T P.910 (2023)"
VCA = "Menon et al., VCA: Video Complexity Analyzer, ACM MMSys 2022"
IMMERKAER = "Immerkær, Fast noise variance estimation, CVIU 1996"
HASLER = "Hasler and Süsstrunk, Measuring colourfulness in natural images, SPIE 2003"
HARALICK = "Haralick et al., Textural features for image classification, IEEE TSMC 1973"
WANG = "Wang, Bovik and Evans, Blind measurement of blocking artifacts in images, ICIP 2000"
FIELD = "Field, Relations between the statistics of natural images, JOSA A 1987"
VIF = "Sheikh and Bovik, Image information and visual quality, IEEE TIP 2006"
ADM = "Li et al., Separately evaluating detail losses and additive impairments, IEEE TMM 2011"
VMAF = "Li et al., Toward a practical perceptual video quality metric, Netflix 2016"
DIS = "Kroeger et al., Fast optical flow using dense inverse search, ECCV 2016"
RATE = "Cover and Thomas, Elements of information theory, 10.3"

_M, _MS, _MP, _MN = ("mean",), ("mean", "std"), ("mean", "p90"), ("mean", "min")
BASES: dict[str, _Base] = {
    "si": _Base("luma levels", "spread of the Sobel gradient", P910, 1.0, ("mean", "std")),
    "edge_density": _Base("share", "pixels with a Sobel gradient over 60", "", 0.002, _M),
    "noise": _Base("luma levels", "noise over the whole picture", IMMERKAER, 0.1, _M),
    "noise_flat": _Base("luma levels", "noise in the smoothest sixth", IMMERKAER, 0.05, _M),
    "ringing": _Base("luma levels", "fine residue next to edges", "", 0.1, _M),
    "rolloff": _Base("share of Nyquist", "98 % of f²-weighted power is below", FIELD, None, _M),
    "rolloff_lines": _Base("log2(lines)", "lines that the detail would fill", "", None, _M),
    "spectral_slope": _Base("decades a decade", "slope of the radial power", FIELD, None, _M),
    "high_share": _Base("log10(share)", "f²-weighted power over half Nyquist", FIELD, None, _M),
    "spectrum_low": _Base("log10(power)", "power at 1/16 to 1/6 of Nyquist", FIELD, None, _M),
    "spectrum_mid": _Base("log10(power)", "power at 1/5 to 2/5 of Nyquist", FIELD, None, _M),
    "spectrum_top": _Base("log10(power)", "power at 5/8 to 7/8 of Nyquist", FIELD, None, _M),
    "blockiness": _Base("log2(ratio)", "steps on the 8×8 grid over steps off it", WANG, None, _M),
    "texture": _Base("energy", "texture energy of 32×32 blocks", VCA, 0.1, _MS),
    "texture_spread": _Base("energy", "its spread over the picture", VCA, 0.1, _M),
    "flat_share": _Base("share", "8×8 cells of almost no gradient", "", None, _M),
    "glcm_contrast": _Base("levels²", "co-occurrence contrast, 32 levels", HARALICK, 0.01, _M),
    "glcm_homogeneity": _Base("share", "co-occurrence homogeneity", HARALICK, None, _M),
    "glcm_energy": _Base("share", "co-occurrence energy", HARALICK, None, _M),
    "glcm_correlation": _Base("coefficient", "co-occurrence correlation", HARALICK, None, _M),
    "glcm_entropy": _Base("bits", "co-occurrence entropy", HARALICK, None, _M),
    "brightness": _Base("luma levels", "mean luma, 16 to 235", "", None, _MS),
    "contrast": _Base("luma levels", "spread of luma", "", None, _M),
    "colourfulness": _Base("levels", "opponent-colour spread", HASLER, 1.0, _M),
    "chroma_detail": _Base("levels", "mean step of the U plane", "", 0.05, _M),
    "black_share": _Base("share", "pixels darker than luma 24", "", None, _M),
    "ti": _Base("luma levels", "spread of the frame difference", P910, 0.2, ("mean", "std")),
    "change": _Base("luma levels", "mean absolute frame difference", "", 0.05, _M),
    "still_share": _Base("share", "pixels that change by less than 3 levels", "", None, _M),
    "vmaf_motion": _Base("luma levels", "VMAF's motion feature at 270 lines", VMAF, 0.05, _M),
    "coherence": _Base("coefficient", "correlation of neighbouring frames", "", None, _MN),
    "speed": _Base("% of height a frame", "mean length of the optical flow", DIS, 0.02, _MP),
    "speed_spread": _Base("% of height a frame", "spread of the flow in a frame", DIS, 0.02, _M),
    "residual": _Base("luma levels", "left by motion compensation at half size", DIS, 0.05, _MP),
    "residual_gain": _Base("log2(ratio)", "plain difference over what is left", DIS, None, _M),
    "texture_change": _Base("energy", "change of texture energy by block", VCA, 0.02, _M),
}  # fmt: skip
_STATISTICS = {
    "mean": "mean over pictures",
    "std": "spread over pictures",
    "p90": "90th percentile over pictures",
    "min": "least over pictures",
}
LINES = ("720", "540", "432", "360", "240")
HALF = "half"
SCALES = ("native", "540", "360", "240")
QUALITY_SCALES = ("native", "540", "240")
CODING_CRFS = (22, 32, 42)


def aggregates(name: str, series: NDArray[np.float64]) -> dict[str, float]:
    """The features that a series of one measure becomes."""
    base = BASES[name]
    found = {
        "mean": float(series.mean()),
        "std": float(series.std()),
        "p90": float(np.percentile(series, 90)),
        "min": float(series.min()),
    }
    if base.offset is not None:
        found = {key: float(np.log2(value + base.offset)) for key, value in found.items()}
    return {f"{name}_{key}": found[key] for key in base.statistics}


def _place(name: str) -> str:
    return {
        "native": "the source's size",
        "half": "half its lines",
    }.get(name, f"{name} lines")


def _build() -> dict[str, Feature]:
    features: dict[str, Feature] = {}
    for name, base in BASES.items():
        for key in base.statistics:
            unit = base.unit if base.offset is None else f"log2({base.unit} + {base.offset:g})"
            features[f"{name}_{key}"] = Feature(
                unit, f"{base.meaning}; {_STATISTICS[key]}", base.reference
            )
    for scale in SCALES:
        at = _place(scale)
        for crf in CODING_CRFS:
            features[f"rate_{scale}_crf{crf}"] = Feature(
                "log2(kbit/s)", f"toy coding at {at}, CRF {crf}: bitrate", RATE
            )
            features[f"key_{scale}_crf{crf}"] = Feature(
                "log2(kbit)", f"toy coding at {at}, CRF {crf}: a key picture", RATE
            )
            if scale in QUALITY_SCALES:
                features[f"vmaf_{scale}_crf{crf}"] = Feature(
                    "VMAF", f"estimated VMAF of toy coding at {at}, CRF {crf}", VMAF
                )
        features[f"predicted_share_{scale}"] = Feature(
            "share", f"information at {at} that prediction in time supplies"
        )
    for name in (*LINES, HALF):
        at = _place(name)
        features[f"vmaf_{name}"] = Feature("VMAF", f"estimated VMAF after {at} and back", VMAF)
        features[f"vif_{name}"] = Feature("share", f"VIF after scaling to {at} and back", VIF)
        features[f"detail_{name}"] = Feature("share", f"detail kept after {at} and back", ADM)
        features[f"loss_{name}"] = Feature("dB", f"PSNR after scaling to {at} and back")
    features |= {
        "frozen_share": Feature("share", "frames that repeat the one before"),
        "change_all": Feature("log2(luma levels)", "mean change at 90 lines over all frames"),
        "change_burst": Feature("log2(ratio)", "unevenness of that change"),
        "black_frames": Feature("share", "frames that are black"),
        "log2_pixels": Feature("log2(pixels)", "picture size"),
        "log2_height": Feature("log2(lines)", "picture height"),
        "log2_aspect": Feature("log2(ratio)", "width over height"),
        "log2_fps": Feature("log2(frames/s)", "frame rate"),
        "source_log2_bpp": Feature("log2(bit/pixel)", "what the source's own coding spends"),
        "source_codec_gain": Feature("log2(ratio)", "bitrate of H.264 over the codec's, as a rule"),
    }  # fmt: skip
    return features


REGISTRY: dict[str, Feature] = _build()
"""Name to description of every feature, in the order of the feature vector."""
SOURCE_FEATURES = ("source_log2_bpp", "source_codec_gain")
"""Features of the file rather than of its pictures: an altered copy keeps its origin's."""
