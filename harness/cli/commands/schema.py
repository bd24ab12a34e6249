"""`packsmith schema`: the JSON Schema of a config.

Owns: this verb. Does not know: how the schema is made.
"""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import emit, output
from harness.cli.new_files import write_whole
from harness.config import json_schema


def schema(
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the schema here.")] = None,
) -> None:
    """Print the JSON Schema of config files, for editors.

    Use it so that an editor checks, completes and explains the keys of a config. It is made of the code that reads
    configs: print it anew after an update. Name the file in the config's first line, or in the editor's settings:

    \b
    # yaml-language-server: $schema=config.schema.json

    \b
    Examples:
    packsmith schema -o config.schema.json
    packsmith schema | jq '."$defs".BudgetSection'
    """
    text = json_format.dumps(json_schema(), indent=2, ensure_ascii=False)
    if out is None:
        emit(text)
        return
    write_whole(out, f"{text}\n".encode(), force=True)
    output().print(f"wrote {out}", markup=False)
