"""The template of the gateway's `/docs`. Python, not a file of HTML, so that it travels wherever the code does."""

from __future__ import annotations

TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ info.title }}</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --key: #0a7ea4; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 0; }
section { border-top: 1px solid var(--line); padding-top: 1.25rem; margin-top: 1.5rem; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .6rem .8rem; border-radius: 6px; overflow-x: auto; margin: .4rem 0; }
.method { color: var(--key); font-weight: 600; }
details { margin: .25rem 0; }
summary { cursor: pointer; }
</style>
</head>
<body>
<h1>{{ info.title }}</h1>
<p>{{ info.summary }} The same as <a href="openapi.json">OpenAPI document</a>, for code generators.</p>
<nav>
{% for route in routes %}
<a href="#route-{{ loop.index }}">{{ route.summary }}</a>{{ " · " if not loop.last }}
{% endfor %}
</nav>
{% for route in routes %}
<section id="route-{{ loop.index }}">
<h2>{{ route.summary }}</h2>
<p><code><span class="method">{{ route.method }}</span> {{ route.path }}</code></p>
<p>{{ route.description | replace("`", "") }}</p>
{% for parameter in route.parameters %}
<p><code>{{ parameter.name }}</code> ({{ parameter["in"] }}{{ ", required" if parameter.required }})
{{ (parameter.description or "") | replace("`", "") }}</p>
{% endfor %}
<pre>{{ route.command }}</pre>
{% for status, meaning, example in route.answers %}
<details{{ " open" if status < "300" }}>
<summary><code>{{ status }}</code> {{ meaning | replace("`", "") }}</summary>
{% if example %}
<pre>{{ example }}</pre>
{% endif %}
</details>
{% endfor %}
</section>
{% endfor %}
</body>
</html>
"""
