"""Links of the pages that lead out of docs/: the site has no such page, so it names the file.

In the source tree, where the pages are read as plain Markdown, these links work as they stand.
"""

import re


def on_page_markdown(markdown: str, **_: object) -> str:
    """Write ``[text](../file)`` as the text with the file's path in the source tree."""
    return re.sub(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)", _named, markdown)


def _named(link: re.Match[str]) -> str:
    text, path = link[1].strip("`"), link[2]
    return f"`{path}`" if text == path else f"{link[1]} (`{path}`)"
