"""What of crane's output is quoted: its own words, never the body that a server answered with.

A source registry chooses the address of its token service, and crane prints whatever comes from there. Other than
that, an error of the form that registries agree on (CODE: message) is quoted: it is what people look for.
"""

import re

#: How crane's own lines begin: with the time, and in the end with this word.
_OWN = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d |Error: ")
#: Within a body a line may begin with that word; then only a line that names a request is crane's.
_OWN_END = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d |Error: .*\b[A-Za-z]+ \"?https?://")
#: What comes behind these is a body: of an answer that is no registry's error, or of a token service without a token.
_BEFORE_BODY = re.compile(r"(unexpected status code \d{3}[^:;(]*|no token in bearer response):.*")
#: Queries of URLs help no reader, and those of a store's presigned links are secrets.
_QUERY = re.compile(r"\?[^\s\":]*")


class Quoting:
    """Takes what crane prints line by line."""

    def __init__(self) -> None:
        self._in_body = False

    def line(self, printed: str) -> str:
        """What may be quoted of a line; empty: nothing."""
        own = _OWN_END if self._in_body else _OWN
        if not own.match(printed):
            return ""
        kept = _BEFORE_BODY.sub(r"\1", printed)
        self._in_body = kept != printed
        return "".join(letter if letter.isprintable() else " " for letter in _QUERY.sub("", kept)).rstrip()
