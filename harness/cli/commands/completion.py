"""`packsmith completion`: what makes a shell complete the command.

Owns: this verb and the scripts. Does not know: which words complete what (`harness.cli.completing`, and the parameters
of each verb).

The command itself is asked for the words, through the protocol of typer, which it is built with: so new verbs and
options need no new script. The scripts are ours, because typer's evaluate the words that they get.
"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from harness.cli.console import emit_text

ASK = (
    "env _PACKSMITH_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args "
    "_TYPER_COMPLETE_ARGS=TYPED packsmith 2>/dev/null"
)
"""Asks for the words that may follow what is typed: one a line, each with a tab and an explanation, if it has one."""
TYPED = {"bash": '"${COMP_LINE:0:COMP_POINT}"', "zsh": '"${(j: :)words[1,CURRENT]}"', "fish": "(commandline -cp)"}
SCRIPTS = {
    "bash": """\
# packsmith in bash: eval "$(packsmith completion bash)"
_packsmith_completion() {
    local words
    mapfile -t words < <(ASK | cut -f 1 | grep .)
    COMPREPLY=("${words[@]}")
    [[ ${#words[@]} -eq 1 && $words == */ ]] && compopt -o nospace
}
complete -o default -o bashdefault -F _packsmith_completion packsmith
""",
    "zsh": """\
#compdef packsmith
# packsmith in zsh, after compinit: eval "$(packsmith completion zsh)"
_packsmith() {
    local line value
    local -a values shown folders
    for line in "${(@f)$(ASK)}"; do
        value="${line%%$'\\t'*}"
        [[ -z "$value" ]] && continue
        if [[ "$value" == */ ]]; then
            folders+=("$value")
        else
            values+=("$value")
            shown+=("${line/$'\\t'/  -- }")
        fi
    done
    if (( ${#values} + ${#folders} == 0 )); then
        _files
        return
    fi
    (( ${#values} )) && compadd -l -d shown -- "${values[@]}"
    (( ${#folders} )) && compadd -S '' -- "${folders[@]}"
}
if [[ "${funcstack[1]}" == "_packsmith" ]]; then _packsmith "$@"; else compdef _packsmith packsmith; fi
""",
    "fish": """\
# packsmith in fish: packsmith completion fish | source
function __packsmith_complete
    set -l words (ASK | string match -r '.+')
    if test (count $words) -gt 0
        printf '%s\\n' $words
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c packsmith -f -a '(__packsmith_complete)'
""",
}


def script(shell: str) -> str:
    """What makes a shell complete the command."""
    return SCRIPTS[shell].replace("ASK", ASK.replace("TYPED", TYPED[shell]))


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print the script that completes packsmith in a shell.

    Use it once, in the file that your shell reads when it starts. Tab then completes verbs, options and their values,
    the folders of runs, and the attempts of a run. The command is asked each time, which takes about half a second.

    \b
    Examples:
    echo 'eval "$(packsmith completion bash)"' >> ~/.bashrc
    echo 'eval "$(packsmith completion zsh)"' >> ~/.zshrc
    packsmith completion fish > ~/.config/fish/completions/packsmith.fish
    """
    emit_text(script(shell))
