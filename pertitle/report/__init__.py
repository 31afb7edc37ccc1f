"""Reports: one HTML page a title, one index page a batch; each a single file that works offline."""

from pertitle.report.batch import write_batch_report
from pertitle.report.title import write_title_report

__all__ = ["write_batch_report", "write_title_report"]
