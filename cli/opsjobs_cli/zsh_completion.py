"""Completion in zsh from the first Tab on; typer's own script only registers itself at the first."""

from contextlib import suppress

_SCRIPT = """
#compdef %(prog_name)s

%(complete_func)s() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" %(autocomplete_var)s=complete_zsh %(prog_name)s)
}

compdef %(complete_func)s %(prog_name)s
# zsh loads this file at the first Tab, and calls it.
if [ "$funcstack[1]" = "_%(prog_name)s" ]; then %(complete_func)s "$@"; fi
"""


def mend() -> None:
    """Have that script written, by --install-completion and --show-completion; with another typer, its own."""
    with suppress(ImportError, AttributeError):
        from typer import _completion_shared

        _completion_shared._completion_scripts["zsh"] = _SCRIPT  # noqa: SLF001  # there is no other way to it
