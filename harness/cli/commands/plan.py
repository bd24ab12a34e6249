"""`packsmith plan`: a plan for one deployment, made today by one program, in the file that an engine reads.

Owns: this verb, and what a plan's provenance says of the program and of the command. Does not know: sizes, formats,
searching.
"""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from evaluator import JudgeSettings, Planned, Rejected, numba_version
from evaluator import plan as plan_once
from harness.cli.console import Json, emit, messages, output
from harness.cli.deployment_options import Chosen, takes_plan_options
from harness.cli.new_files import check_free, write_whole
from harness.cli.user_files import read_program
from harness.report import jsonl, tables
from harness.report.appraisals import appraisal_view
from harness.report.progress import Waiting

PROVENANCE = ".provenance.json"
_LIMITS = JudgeSettings()


@takes_plan_options
def plan(
    *,
    program: Annotated[str, typer.Argument(metavar="PROGRAM", help="A solver program (.py).")],
    out: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Write the plan here.")],
    options: Chosen,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    device: Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")] = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the generators that the program may use.")] = 0,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="Time limit of one call.")
    ] = _LIMITS.timeout_s,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads the program may use.")] = _LIMITS.threads,
    json: Json = False,
) -> None:
    """Make a plan for a deployment with one program, in the file that an engine reads. Nothing is searched.

    The program runs confined, on what was recorded, and its plan is validated. What the plan is worth is shown beside
    the plan in force. FILE.provenance.json says what it was made by and from. Exit code 1 if the program is rejected.

    \b
    Examples:
    EXAMPLES
    """
    beside = out.with_name(out.name + PROVENANCE)
    for path in (out, beside):
        check_free(path, force=force)
    source = read_program(program)
    with Waiting(messages()) as waiting:
        waiting.say("reading what was recorded")
        deployment = options.deployments.open(options.values())
        deployment.check_name(out)
        settings = JudgeSettings(timeout_s=timeout_s, threads=threads)
        made = plan_once(
            source,
            deployment.problem,
            device=device,
            seed=seed,
            settings=settings,
            progress=lambda step: waiting.judging(program, step),
        )
        if isinstance(made, Rejected):
            _show_rejected(made, program, json=json)
            raise typer.Exit(1)
        waiting.say("working out what the plan is worth")
        appraisal = deployment.appraise(made.plans)
        provenance = {**_provenance(source, program, made, seed), **deployment.identity, **appraisal.record}
        content = deployment.encode(out, made.plans[-1], provenance)
    write_whole(beside, (jsonl.line(provenance) + "\n").encode("ascii"), force=force)
    write_whole(out, content, force=force)
    if json:
        emit(jsonl.line({"path": str(out), "provenance": str(beside), **provenance}))
        return
    for note in deployment.notes:
        messages().print(f"note: {note}", markup=False)
    console = output()
    console.print(appraisal_view(appraisal))
    console.print(f"wrote {out}\nits provenance: {beside}", markup=False)


def _provenance(source: str, program: str, made: Planned, seed: int) -> dict[str, Any]:
    return {
        "program": {"name": Path(program).name, "sha256": hashlib.sha256(source.encode()).hexdigest()},
        "seed": seed,
        "versions": {
            "packsmith": metadata.version("packsmith"),
            "python": platform.python_version(),
            "torch": made.torch,
            "numba": numba_version(),
        },
        "device": made.device,
        "hardware": made.hardware,
        "sandbox": made.sandbox,
    }


def _show_rejected(rejected: Rejected, program: str, *, json: bool) -> None:
    if json:
        record = {"stage": rejected.stage, "reason": rejected.reason, "detail": rejected.detail}
        emit(jsonl.line({"program": program, "verdict": "rejected", **record}))
    else:
        output().print(tables.rejected_text(rejected, program=program))
