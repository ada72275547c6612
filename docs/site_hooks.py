"""Changes the pages for the site: links that lead out of it, and Sphinx's roles in docstrings."""

import re

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)")
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):\s*<code>~?(?:\w+\.)*([\w()]+)</code>")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Write ``[text](../file)`` as the text with the file's path in the source tree.

    The file is not on the site; where the page is read as plain Markdown, the link works.
    """
    return _OUTSIDE.sub(_named, markdown)


def _named(link: re.Match[str]) -> str:
    text, path = link[1].strip("`"), link[2]
    return f"`{path}`" if text == path else f"{link[1]} (`{path}`)"


def on_page_content(html: str, **_: object) -> str:
    """Write a docstring's :class:`module.Name` as the name."""
    return _ROLE.sub(r"<code>\1</code>", html)
