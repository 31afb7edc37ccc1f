"""Prints the table of features in docs/features.md: ``python -m tools.feature_table``."""

from __future__ import annotations

from pertitle.analysis.registry import REGISTRY


def markdown_table() -> str:
    """The register as a Markdown table, for the documentation."""
    lines = ["| feature | unit | meaning | source |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {feature.unit} | {feature.meaning} | {feature.reference} |"
        for name, feature in REGISTRY.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown_table())
