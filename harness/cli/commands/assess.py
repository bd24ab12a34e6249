"""`packsmith assess`: what a plan that exists in a file is worth.

Owns: this verb. Does not know: formats, sizes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import Json, emit, messages, output
from harness.cli.deployment_options import Chosen, takes_score_options
from harness.report import jsonl
from harness.report.appraisals import appraisal_view
from harness.report.progress import Waiting


@takes_score_options
def assess(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file with a plan, of an engine or of ours.")],
    options: Chosen,
    json: Json = False,
) -> None:
    """Score a plan that exists in a file, on what was recorded.

    \b
    Examples:
    EXAMPLES
    """
    with Waiting(messages()) as waiting:
        waiting.say(f"scoring {file}")
        appraisal, notes = options.deployments.score(file, options.values())
    if json:
        emit(jsonl.line({"path": str(file), "notes": list(notes), **appraisal.record}))
        return
    for note in notes:
        messages().print(f"note: {note}", markup=False)
    output().print(appraisal_view(appraisal))
