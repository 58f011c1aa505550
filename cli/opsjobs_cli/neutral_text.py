"""Text of others on its way to a terminal: what would drive the terminal is shown, and does nothing.

Job names, messages and outputs hold what the author of a script or a check wrote. Escape sequences move the cursor,
rewrite lines and more; marks of direction make text look like another.
"""

import re
import unicodedata

#: Control, format (marks of direction, too), surrogate and private characters; separators of lines and paragraphs.
_DRIVING = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def _driving() -> str:
    return (
        "".join(re.escape(chr(code)) for code in range(0x3000) if unicodedata.category(chr(code)) in _DRIVING)
        + "\ud800-\uf8ff\ufeff\ufff9-\ufffb\U000e0000-\U0010ffff"
    )


_ANY = re.compile(f"[{_driving()}]")
_BUT_LINES = re.compile(f"(?![\n\t])[{_driving()}]")
#: Those of ASCII itself, which the codec would leave as they are.
_ASCII = {chr(code): f"\\x{code:02x}" for code in (*range(0x20), 0x7F)} | {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def neutral(text: object) -> str:
    """One line of it, with every character that could drive a terminal written out, as Python writes them."""
    return _ANY.sub(_written_out, str(text))


def neutral_lines(text: object) -> str:
    """The same, with its line ends and tabs left as they are."""
    return _BUT_LINES.sub(_written_out, str(text).replace("\r\n", "\n"))


def neutral_json(text: str) -> str:
    """A JSON document that means the same, without such characters."""
    return _BUT_LINES.sub(_json_escape, text)


def _written_out(match: re.Match[str]) -> str:
    return _ASCII.get(match[0]) or match[0].encode("ascii", "backslashreplace").decode()


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2]):04x}" for at in range(0, len(units), 2))
