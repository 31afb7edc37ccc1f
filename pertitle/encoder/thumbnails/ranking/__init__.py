"""Ranking thumbnails by what viewers click: store, model, evaluation, stopping rule."""

from pertitle.encoder.thumbnails.ranking.evaluation import Estimate, Estimates
from pertitle.encoder.thumbnails.ranking.learning import (
    LearnReport,
    Ranked,
    Ranking,
    judge_test,
    learn,
    rank,
)
from pertitle.encoder.thumbnails.ranking.offpolicy import EvaluationReport, evaluate
from pertitle.encoder.thumbnails.ranking.stopping import Verdict

__all__ = [
    "Estimate",
    "Estimates",
    "EvaluationReport",
    "LearnReport",
    "Ranked",
    "Ranking",
    "Verdict",
    "evaluate",
    "judge_test",
    "learn",
    "rank",
]
