"""The OpenAPI document as a page: for reading offline, without a viewer from somewhere else."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --paper: light-dark(#f6f3ee, #15171a); --card: light-dark(#fff, #1e2125);
  --sunk: light-dark(#efebe3, #272b30); --line: light-dark(#ddd6ca, #363b42); --ink: light-dark(#23211d, #ece9e3);
  --soft: light-dark(#675f54, #a5a29b); --accent: light-dark(#a8481f, #f0935f); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 24px clamp(16px, 4vw, 40px) 80px; background: var(--paper);
  color: var(--ink); font: 15px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 24px; margin: 8px 0; } h2 { font-size: 18px; margin: 0 0 8px; }
h3 { font-size: 14px; margin: 18px 0 6px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 24px; }
a { color: var(--accent); } a:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 20px;
  margin: 16px 0; }
code, pre { font: 13px/1.5 ui-monospace, SFMono-Regular, Consolas, monospace; background: var(--sunk);
  border-radius: 6px; }
code { padding: 1px 5px; } pre { padding: 12px 14px; overflow-x: auto; margin: 6px 0; }
.method { color: var(--accent); font-weight: 700; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; } td { overflow-wrap: normal; }
details { margin: 8px 0; } summary { cursor: pointer; font-weight: 600; } .soft { color: var(--soft); }
"""


def write_docs(document: dict[str, Any]) -> str:
    """Return a page that shows an OpenAPI *document* whole, and loads nothing.

    >>> write_docs({"info": {"title": "T", "version": "1", "description": ""}, "servers": [], "paths": {}})[:15]
    '<!doctype html>'
    """
    info = document["info"]
    about, _, language = info["description"].partition("\n\n")
    links = "".join(
        f'<a href="#{escape(operation["operationId"])}">{escape(operation["summary"])}</a>'
        for _, _, operation in _operations(document)
    )
    base = document["servers"][0]["url"] if document["servers"] else ""
    sections = "".join(
        _write_operation(base, path, method, operation) for path, method, operation in _operations(document)
    )
    title = escape(info["title"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'  # or a browser asks for one
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f'<h1>{title} <span class="soft">{escape(info["version"])}</span></h1><p>{escape(about)}</p>'
        f"<p>Every call to the API carries the header <code>APIKEY</code>; result files need none.</p>"
        f'<nav aria-label="Contents">{links}<a href="#faults">Scripted faults</a>'
        '<a href="/openapi.json">openapi.json</a><a href="/">The sandbox</a></nav>'
        f'{sections}<section id="faults"><h2>Scripted faults</h2><pre tabindex="0">{escape(language)}</pre></section>'
        "</main></body></html>\n"
    )


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _write_operation(base: str, path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f'<section id="{escape(operation["operationId"])}"><h2>{escape(operation["summary"])}</h2>',
        f'<p><span class="method">{method}</span> <code>{escape(path)}</code></p>',
    ]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [(item["name"], item["schema"], item.get("required", False)) for item in parameters]
        parts.append("<h3>Query</h3>" + _write_fields(rows))
    examples: dict[str, Any] = {}
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        examples = content["examples"]
        parts.append("<h3>Body</h3>" + _write_object(content["schema"]))
    for name, example in examples.items():
        body = json.dumps(example["value"], indent=2)
        curl = (
            f"curl -X {method} {base}{path} -H 'APIKEY: sandbox' \\\n  -H 'content-type: application/json' -d '{body}'"
        )
        parts.append(f'<details><summary>{escape(name)}</summary><pre tabindex="0">{escape(curl)}</pre></details>')
    for status, answer in operation["responses"].items():
        parts.append(f"<h3>Answer: {escape(status)} <span class=soft>{escape(answer['description'])}</span></h3>")
        parts.extend(_write_answer(answer["content"]["application/json"]))
    return "".join([*parts, "</section>"])


def _write_answer(content: dict[str, Any]) -> Iterator[str]:
    for schema in content["schema"].get("oneOf", [content["schema"]]):
        yield _write_object(schema)
    if "example" in content:
        yield f'<pre tabindex="0">{escape(json.dumps(content["example"], indent=2))}</pre>'
    if "examples" in content:
        rows = "".join(
            f"<tr><td>{item['value']['code']}</td><td>{escape(name)}</td><td>{escape(item['value']['message'])}</td></tr>"
            for name, item in content["examples"].items()
        )
        yield f'<div class="scroll"><table><tr><th>code</th><th>name</th><th>message</th></tr>{rows}</table></div>'


def _write_object(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    return _write_fields([(name, field, name in required) for name, field in _flat("", schema)])


def _flat(prefix: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Fields of fields with dots in their names."""
    for name, field in schema.get("properties", {}).items():
        yield prefix + name, field
        yield from _flat(f"{prefix}{name}.", field)


def _write_fields(rows: list[tuple[str, dict[str, Any], bool]]) -> str:
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_kind(field))}</td>"
        f"<td>{'required' if required else ''}</td><td>{escape(_about(field))}</td></tr>"
        for name, field, required in rows
    )
    return f'<div class="scroll"><table><tr><th>field</th><th>type</th><th></th><th></th></tr>{cells}</table></div>'


def _kind(field: dict[str, Any]) -> str:
    kinds: str | list[str] = field.get("type", "")
    return kinds if isinstance(kinds, str) else " or ".join(kinds)


def _about(field: dict[str, Any]) -> str:
    words = [field["description"].removesuffix(".")] if "description" in field else []
    if "enum" in field:
        words.append("one of " + ", ".join(map(str, field["enum"])))
    if "const" in field:
        words.append(f"always {json.dumps(field['const'])}")
    if "default" in field:
        words.append(f"default {json.dumps(field['default'])}")
    if "minimum" in field or "maximum" in field:
        words.append(f"{field.get('minimum', '…')} to {field.get('maximum', '…')}")
    return "; ".join(words)
