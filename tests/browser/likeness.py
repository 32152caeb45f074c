"""What two pieces of a page have in common: everything a reader, or the store, could tell apart.

Left out: the order of attributes and of class names, white space between elements, the mark of
what has just arrived, and htmx's own notes.
"""

from __future__ import annotations

from typing import Any

LIKENESS = """function likeness(node) {
    if (node.nodeType === Node.TEXT_NODE) return node.data.replace(/\\\\s+/g, " ").trim();
    if (node.nodeType !== Node.ELEMENT_NODE) return "";
    const attributes = {};
    for (const { name, value } of [...node.attributes].sort((a, b) => a.name < b.name ? -1 : 1)) {
        if (name === "data-htmx-powered") continue;
        attributes[name] = value;
    }
    const classes = [...node.classList].filter(name => name !== "is-fresh").sort().join(" ");
    delete attributes.class;
    if (classes) attributes.class = classes;
    const inside = node instanceof HTMLTemplateElement ? node.content : node;
    const children = [...inside.childNodes].map(likeness).filter(child => child !== "");
    return [node.localName, attributes, ...children];
}""".replace("\\\\", "\\")


def of(selector: str) -> str:
    """A script that gives the likeness of the first element that matches."""
    return f"() => {{ {LIKENESS}; return likeness(document.querySelector({selector!r})) }}"


# A script that tells whether the first element that matches has that likeness.
IS = f"""([selector, expected]) => {{
    {LIKENESS}
    return JSON.stringify(likeness(document.querySelector(selector))) === JSON.stringify(expected);
}}"""


def differences(found: Any, expected: Any, where: str = "") -> list[str]:
    """Where two likenesses part, said in a line each."""
    if found == expected:
        return []
    if not isinstance(found, list) or not isinstance(expected, list) or found[0] != expected[0]:
        return [f"{where}: {found!r} is not {expected!r}"]
    place = f"{where}/{found[0]}#{found[1].get('id', '')}"
    if found[1] != expected[1]:
        return [f"{place}: {found[1]!r} is not {expected[1]!r}"]
    if len(found) != len(expected):
        return [f"{place}: {found[2:]!r} is not {expected[2:]!r}"]
    pairs = zip(found[2:], expected[2:], strict=True)
    return [line for pair in pairs for line in differences(*pair, place)]
