#!/usr/bin/env python3
"""Goldens of chat templates, rendered by Jinja2 as transformers configures it. Needs Jinja2==3.1.6.

    TZ=UTC templates.py                    writes test/golden/templates/{families,snippets}.json
    TZ=UTC templates.py SDIST... > JSON    the published templates inside source archives (*.jinja files, and
                                           the string literals of llama.cpp's test-chat-template.cpp), for
                                           HONE_TEMPLATES=JSON build/hone_test template.published
"""
import json
import os
import re
import sys
import tarfile
from datetime import datetime, timezone

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = 1700000000
FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "test", "golden", "templates")


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_text"), [], [], body).set_lineno(line)

    def _text(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.fromtimestamp(NOW, timezone.utc).strftime(f)
    return env


ENV = environment()


def render(source, variables):
    try:
        return ENV.from_string(source).render(**variables)
    except Exception as error:
        if "-v" in sys.argv:
            print(source[:60], "->", type(error).__name__, error, file=sys.stderr)
        return None


TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather of a place.\nNow, or later.",
        "parameters": {"type": "object", "properties": {
            "location": {"type": "string", "description": "city, \"quoted\" & <tagged>"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
            "days": {"type": ["integer", "string"], "description": ""},
            "points": {"type": "array", "items": {"type": "number"}}},
            "required": ["location"]}}},
    {"type": "function", "function": {
        "name": "multiply", "description": "Multiplies.",
        "parameters": {"type": "object", "properties": {
            "a": {"type": "number", "description": "first"}, "b": {"type": "number", "description": "second"}},
            "required": ["a", "b"]}, "return": {"type": "number"}}},
]


def call(name, arguments, number):
    return {"type": "function", "id": "call%05d" % number, "function": {"name": name, "arguments": arguments}}


SYSTEM = {"role": "system", "content": "You are terse.\n"}
HELLO = {"role": "user", "content": "  Hello, \u4f60\u597d \U0001f600 <b>&amp;</b> "}
HI = {"role": "assistant", "content": "Hi!"}
THOUGHT = {"role": "assistant", "content": "<think>\nhm 1 < 2\n</think>\n\nFour."}
WEATHER = {"role": "user", "content": "Weather in \"Z\u00fcrich\"?"}
ASK = {"role": "assistant", "content": "", "tool_calls": [
    call("get_weather", {"location": "Z\u00fcrich", "days": 2, "exact": True, "x": 1.5e-07, "n": None, "l": [1, [], {}]}, 1)]}
ASK_TWO = {"role": "assistant", "content": None, "thinking": "two", "tool_calls": [
    call("multiply", {"a": 2.0, "b": 10**15}, 2), call("get_weather", {"location": "Bern"}, 3)]}
ANSWER = {"role": "tool", "content": "{\"sky\": \"clear\"}", "tool_call_id": "call00001", "name": "get_weather"}
ANSWER_TWO = {"role": "tool", "content": "2e15", "tool_call_id": "call00002", "name": "multiply"}
PARTS = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is it? "}]}

CONVERSATIONS = {
    "one": dict(messages=[HELLO], add_generation_prompt=True),
    "system": dict(messages=[SYSTEM, HELLO], add_generation_prompt=True),
    "turns": dict(messages=[SYSTEM, HELLO, HI, WEATHER, THOUGHT], add_generation_prompt=False),
    "continued": dict(messages=[HELLO, THOUGHT, WEATHER], add_generation_prompt=True),
    "tools": dict(messages=[SYSTEM, HELLO], tools=TOOLS, add_generation_prompt=True),
    "call": dict(messages=[WEATHER, ASK, ANSWER], tools=TOOLS, add_generation_prompt=True),
    "answered": dict(messages=[SYSTEM, WEATHER, ASK, ANSWER, HI, HELLO], tools=TOOLS, add_generation_prompt=True),
    "two": dict(messages=[WEATHER, ASK_TWO, ANSWER_TWO, ANSWER, HI], tools=TOOLS, add_generation_prompt=False),
    "parts": dict(messages=[SYSTEM, PARTS], add_generation_prompt=True),
    "astray": dict(messages=[HELLO, HELLO], add_generation_prompt=True),
    "options": dict(messages=[HELLO], add_generation_prompt=True, enable_thinking=False, reasoning_effort="high",
                    builtin_tools=["code_interpreter", "search"], date_string="1 May 2025"),
}

SNIPPETS = r"""
{{ 1 + 2 * 3 ** 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }}
{{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 1.5e-5 }} {{ 0.0001 }} {{ 3.14159 }} {{ 1e100 }} {{ 0.1 + 0.2 }} {{ 1_000 }} {{ 0x1f }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1 == 1.0 }} {{ true + 1 }} {{ -3|abs }} {{ (-3)|abs }} {{ -2.5|round }} {{ 3.5|round }}
{{ 42.55|round(1) }} {{ 42.5|round(0, 'floor') }} {{ 42.1|round(method='ceil') }} {{ 42|round }} {{ 2.675|round(2) }}
{{ 'a' ~ 1 ~ none ~ true ~ missing ~ 1.50 }}
{{ 'a' 'b' "c" }}{{ 'tab\there\x41\u00e9\101 \q \\ \'' }}
{{ "x" * 3 }}{{ [1, 2] * 2 }}{{ (1,) + (2, 3) }}{{ [1] + [2] }}
{{ 'abc'[0] }}{{ 'abc'[-1] }}{{ 'abc'[5] }}|{{ 'héllo'[1:3] }}{{ 'abc'[::-1] }}{{ 'abcdef'[1:5:2] }}{{ 'abcdef'[-2:] }}{{ 'abcdef'[:-10] }}
{{ [1,2,3,4][1:] }}{{ [1,2,3,4][::-2] }}{{ (1,2,3)[:2] }}{{ [1,2,3][-10:10] }}{{ range(5)[2] }}{{ range(10)[2:4]|list }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' < 'b' }} {{ [1,2] < [1,3] }} {{ 1 in [1,2] }} {{ 'b' in 'abc' }} {{ 'k' in {'k': 1} }} {{ 3 not in [1] }}
{{ not true or true }} {{ none or 'x' }} {{ 0 and 'x' }} {{ 'x' if false }}|{{ 'x' if true else 'y' }} {{ 1 if 0 else 2 if 0 else 3 }}
{{ none }} {{ true }} {{ [none, true, 1.0, 'it\'s', "q\"", 'both\'"', 'n\n\t\\', missing] }} {{ {'a': [1, (2,)], 1: none} }} {{ () }} {{ {} }}
{{ missing }}|{{ missing is defined }}|{{ missing is undefined }}|{{ d.nope }}|{{ d['nope'] }}|{{ none.x }}|{{ (1).x }}|{{ 'a'.x }}
{{ missing.x }}
{{ missing['x'] }}
{{ missing + 1 }}
{{ missing == missing2 }} {{ missing == none }} {{ missing|length }} {{ missing|default('d') }} {{ ''|default('d') }} {{ ''|default('d', true) }} {{ none|d('x') }} {{ none|d('x', boolean=true) }}
{{ '  x y '|trim }}|{{ 'xxaxx'|trim('x') }}|{{ ' a '.strip() }}|{{ 'abca'.lstrip('a') }}|{{ 'abca'.rstrip('ac') }}|{{ '\u00a0\u2003x\u3000'.strip() }}
{{ 'Hello World'|upper }}{{ 'Hello'|lower }}{{ 'hello wORLD-foo (bar) don\'t'|title }}{{ 'hello wORLD don\'t'.title() }}{{ 'hELLO'|capitalize }}{{ 'straße ΑΣ éà ÿ İ ǆ'|upper }}{{ 'ΑΣ ÉÀ İ ΣΑΣ'|lower }}
{{ 'a,b,,c'.split(',') }}{{ ' a  b c '.split() }}{{ 'a b c'.split(' ', 1) }}{{ 'a b c d'.split(none, 2) }}{{ 'a,b,c'.rsplit(',', 1) }}{{ 'abc'.split('x') }}{{ ''.split() }}{{ ''.split(',') }}
{{ 'a\nb\r\nc\n'.splitlines() }}{{ 'a\n\nb'.splitlines(true) }}{{ 'a-b-c'.partition('-') }}{{ 'a-b-c'.rpartition('-') }}{{ 'abc'.partition('x') }}{{ 'abc'.rpartition('x') }}
{{ 'aXbX'.replace('X', 'yy') }}{{ 'aXbX'.replace('X', 'y', 1) }}{{ 'abc'.replace('', '-') }}{{ 'aaa'|replace('a', 'b', 2) }}{{ 'abc'|replace('b', '') }}
{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x', 'c')) }}{{ 'abcabc'.find('c') }}{{ 'abcabc'.rfind('c') }}{{ 'abc'.find('x') }}{{ 'aXa'.count('a') }}{{ 'abc'.index('c') }}{{ 'prefix'.removeprefix('pre') }}{{ 'suffix'.removesuffix('fix') }}
{{ 'abc'.isalpha() }}{{ '12'.isdigit() }}{{ 'a1'.isalnum() }}{{ ' '.isspace() }}{{ ''.isdigit() }}{{ 'ABC'.isupper() }}{{ 'abC'.islower() }}{{ '7'.rjust(3, '0') }}{{ 'ab'.ljust(4) }}|
{{ ', '.join(['a', 'b']) }}{{ ','.join([1]) }}
{{ [1, 'a', none]|join('-') }}{{ users|join(', ', attribute='name') }}{{ 'abc'|join('.') }}{{ {'a': 1}|join }}
{{ d.items() }}{{ d.keys() }}{{ d.values() }}{{ d.keys()|list }}{{ d.items()|list }}{{ d|items|list }}{{ d|list }}{{ d|length }}{{ d.get('a') }}{{ d.get('z') }}{{ d.get('z', 5) }}{{ d['items'] }}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for k, v in d|dictsort(reverse=true) %}{{ k }}{% endfor %}{% for k, v in {'b': 2, 'A': 1, 'c': 0}|dictsort %}{{ k }}{% endfor %}{{ {'b': 1, 'a': 2}|dictsort(by='value') }}
{{ d|tojson }}{{ d|tojson(indent=2) }}{{ d|tojson(sort_keys=true) }}{{ [1, [], {}, [[]]]|tojson(indent=1) }}{{ 'é\u2028<>&"\'\\/\n\x01\x7f😀'|tojson }}{{ 'é😀\x7f'|tojson(ensure_ascii=true) }}{{ [1, 2.0, 1e16, true, none]|tojson(separators=(',', ':')) }}{{ {1: 2, true: 3, none: 4, 1.5: 5}|tojson }}{{ (1, 2)|tojson(indent='--') }}
{{ missing|tojson }}
{{ range(3)|tojson }}
{{ [3, 1, 2]|sort }}{{ ['b', 'A', 'c']|sort }}{{ ['b', 'A', 'c']|sort(case_sensitive=true) }}{{ [3, 1, 2]|sort(reverse=true) }}{{ users|sort(attribute='age')|map(attribute='name')|list }}{{ users|sort(attribute='age', reverse=true)|map(attribute='name')|join }}
{{ [1, 'a']|sort }}
{{ [1, 2, 1, 'a', 'A']|unique|list }}{{ [1, 2, 3]|first }}{{ [1, 2, 3]|last }}{{ []|first }}{{ 'abc'|last }}{{ [1, 2, 3]|reverse|list }}{{ 'abc'|reverse }}{{ [1, 5, 2]|max }}{{ [1, 5, 2]|min }}{{ []|max }}{{ [1, 2.5]|sum }}{{ users|sum(attribute='age') }}{{ [[1], [2]]|sum(start=[]) }}
{{ users|map(attribute='name')|list }}{{ users|map(attribute='nope', default='?')|list }}{{ ['a', 'b']|map('upper')|list }}{{ ['a b']|map('replace', ' ', '_')|first }}{{ users|map(attribute='tags.0')|list }}
{{ users|selectattr('age', 'gt', 30)|map(attribute='name')|list }}{{ users|rejectattr('age', 'gt', 30)|map(attribute='name')|list }}{{ users|selectattr('admin')|list|length }}{{ users|selectattr('admin', 'defined')|list|length }}{{ [1, 2, 3, 4]|select('even')|list }}{{ [0, 1, '']|select|list }}{{ [1, 2]|reject('equalto', 1)|list }}{{ users|selectattr('name', 'in', ['Ann', 'x'])|map(attribute='age')|list }}
{% if [1]|select('string') %}generators are true{% endif %}{{ 3 in [1, 2, 3]|map('abs') }}
{{ [1]|map('abs')|length }}
{{ '42'|int }}{{ '4.7'|int }}{{ 'x'|int }}{{ 'x'|int(5) }}{{ ' 12 '|int }}{{ '0x1f'|int(base=16) }}{{ '1_0'|int }}{{ 3.9|int }}{{ none|int }}{{ '3.5'|float }}{{ 'x'|float }}{{ '1e3'|float }}{{ 5|float }}{{ true|int }}
{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb'|indent(2, true) }}|{{ 'a\n\nb'|indent(2, blank=true) }}|{{ 'a\nb'|indent('> ') }}|{{ 'a\n'|indent(1) }}|{{ 'a\n\n'|indent(1) }}|
{{ 'a b\tc'|wordcount }}{{ '<a href="x">\'&'|e }}{{ ('<b>'|safe) + '<i>' }}{{ '<i>' + ('<b>'|safe) }}{{ '<i>' ~ ('<b>'|safe) }}{{ '%s-%d-%%' % ('a', 3) }}{{ '%s'|format('x') }}{{ 'x: %s' % 5 }}
{{ [1,2,3,4,5]|batch(2)|list }}{{ [1,2,3]|batch(2, 'x')|list }}{{ users|groupby('admin', default=false) }}
{{ users|groupby('team')|list|length }}{% for team, members in users|groupby('team') %}{{ team }}:{{ members|map(attribute='name')|join(',') }};{% endfor %}
{{ none|selectattr('x')|list }}{{ none|map('upper')|list }}{{ 0|select|list }}
{{ none|list }}
{{ none|length }}
{{ 1 is odd }}{{ 2 is even }}{{ 9 is divisibleby 3 }}{{ 9 is divisibleby(2) }}{{ 'a' is string }}{{ 1 is number }}{{ 1.0 is float }}{{ 1 is integer }}{{ true is integer }}{{ true is number }}{{ true is boolean }}{{ [] is sequence }}{{ {} is mapping }}{{ {} is iterable }}{{ 'a' is iterable }}{{ 1 is iterable }}{{ none is none }}{{ range is callable }}{{ 'ab' is lower }}{{ 'AB' is upper }}{{ 1 is sameas 1 }}{{ 1 is eq 1 }}{{ 1 is ne 1 }}{{ 2 is gt 1 }}{{ 'a' is in ['a'] }}{{ 1 is not none }}{{ false is false }}{{ 0 is false }}{{ 'length' is filter }}{{ 'nope' is filter }}{{ 'odd' is test }}{{ missing is string }}
{{ not 1 is none }}{{ -1|abs }}{{ 1 + 2|string|length }}{{ ([1, 2] | length) == 2 and 'y' }}{{ 'a' in 'abc' and 'x' not in 'abc' }}{{ 1 ~ 2 == '12' }}{{ 2 * 'ab'|length }}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% else %}none{% endfor %}{% for i in [] %}{{ i }}{% else %}none{% endfor %}
{% for i in [3, 4, 5] if i != 4 %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }}{{ loop.depth }};{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% set x, y = 1, 2 %}{{ x }}{{ y }}{% set (p, q) = [3, 4] %}{{ p }}{{ q }}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}
{% set ns = namespace(a=1) %}{% for i in [1, 2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{% set ns.b = [1] %}{{ ns.b }}{{ ns['a'] }}
{% set ns2 = namespace({'q': 1}, r=2) %}{{ ns2.q }}{{ ns2.r }}{{ dict(a=1, **{'b': 2}) }}{{ dict({'z': 1}, y=2) }}
{% set d2 = {} %}{% set d2.x = 1 %}
{% macro m(a, b=2, c=a) %}{{ a }},{{ b }},{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, c=5) }}|{{ m(b=1, a=0) }}|{{ m(*[7, 8]) }}|{{ m(**{'a': 3}) }}|{{ m() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}
{% macro m() %}{{ g }}{% endmacro %}{% set g = 1 %}{{ m() }}{% set g = 2 %}{{ m() }}{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
{% macro wrap(t) %}<{{ t }}>{{ caller(1) }}</{{ t }}>{% endmacro %}{% call(x) wrap('b') %}in{{ x }}{% endcall %}
{% set t %}a {{ 1 }}{% endset %}[{{ t }}]{% set t | upper | trim %} x{{ t }} {% endset %}[{{ t }}]{% filter upper %}abc{{ 'd' }}{% endfilter %}{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}
{% for i in [1] %}{% set inner = 1 %}{% macro k() %}{{ inner }}{{ i }}{% endmacro %}{{ k() }}{% endfor %}{{ k }}
{{ [1, 2].append(3) }}
{{ d.update({}) }}
{{ 'x'.nope() }}
{{ nope() }}
{{ 1 / 0 }}
{{ 'a' + 1 }}
{{ 1 < 'a' }}
{{ {[1]: 2} }}
{{ raise_exception('no ' ~ 1) }}
{{ strftime_now('%Y-%m-%d %H:%M %d %b %B %j') }}
{{ range(3)|list }}{{ range(1, 7, 2)|list }}{{ range(3, 0, -1)|list }}{{ range(0)|length }}{{ range(3)|last }}
{{ range(100001) }}
{{ '{{' }}{# comment #}{{- ' x ' -}} {# c -#}   y {%- raw %} {{ raw }} {% endraw -%}  z
{{ 'ab' if d.a is defined and d.a else 'c' }}{{ d.a.b }}{{ d.a['b'] }}{{ d['a'] }}{{ users[0].name }}{{ users.0.name }}{{ users[-1]['tags'][0] }}
{{ (1, 2, 3)|list + [4] }}{{ ('a', 'b')|join }}{{ [[1, 2], [3]]|map('sum')|list }}{{ ['1', 'x']|map('int', default=7)|list }}
{{ users | selectattr("role", "undefined") | list | count }}{{ 'abc' | list }}{{ 'a' | string | upper ~ 'b' }}{{ "%s" | format([1]) }}
{%- set a = [] -%}{%- for i in range(3) -%}{%- set a = a + [i] -%}{%- endfor -%}{{ a }}{{ a is defined }}
{% if a %}1{% elif users %}2{% else %}3{% endif %}{% if not users %}1{% elif not d %}2{% else %}3{% endif %}
{{ d.a.b if d.a.b }}{{ [x for x in y] }}
{% if x %}
{% nope %}
{{ 1 | nope }}
{{ 'a' is nope }}
{{ 1 +  }}
{{ 'abc }}
{% for %}{% endfor %}
{{ }}
{{ (1 }}
{% endif %}
{{ 9223372036854775807 }}{{ 10 ** 18 }}{{ -5 // 3 }}{{ 1e308 * 10 }}{{ 5 // 0.3 }}
{{ ['x', 'y'].index('y') }}{{ [1, 1, 2].count(1) }}{{ [1, 2].copy() }}{{ {'a': 1}.copy() }}
{{ 'é' ~ '日本'|length }}{{ '日本語'[1] }}{{ '日本語'[::-1] }}{{ '日本語'.find('語') }}{{ '日本語'|list }}
{{ ['a', 'b'] is sequence }}{{ {'a': 1} == {'a': 1.0} }}{{ [1, 2] == (1, 2) }}{{ 'a' == 'a' }}{{ none == false }}{{ 1 != 2 }}{{ {'a': 1}.items()|list == [('a', 1)] }}
"""

BLOCKS = [
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%+ if true %}\n  b\n  {%- endif +%}\nc\n\n",
    "  {{ 1 }}  \n  {# c #}\n  x {# d #}\ny",
    "x{% set a = 1 %}\n\ny\r\nz\r{{ a }}\n",
    "{% for i in [1, 2] -%}\n   {{ i }}\n{%- endfor %}\n{% raw %}\n {% if %}\n{% endraw %}\nend",
    "  {%- if true -%}  a  {%- else -%}  b  {%- endif -%}  c",
    "\t {% set q = 1 %} {% set r = 2 %}x\n\t{%- set s = 3 %}\n y",
    "{{ '\n' }}a{{ \"b\\\nc\" }}\n{% set t %}\n  block\n{% endset %}\n[{{ t }}]",
    "{% raw -%}  {{ x }} {%- endraw %}  y\n   {% raw %}  \n{% endraw %}z",
    "a {#- c -#} b {#+ d +#}\n e",
]

VARIABLES = {
    "d": {"a": {"b": 1}, "items": "key", "é": [1.5, None, True]},
    "users": [
        {"name": "Ann", "age": 31, "tags": ["x", "y"], "admin": True, "team": "b"},
        {"name": "bob", "age": 25, "tags": ["z"], "admin": False, "team": "a"},
        {"name": "Cy", "age": 31, "tags": ["w"], "team": "b"},
    ],
    "x": 1,
}


def write(name, content):
    with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as f:
        json.dump(content, f, ensure_ascii=False, indent=1)
        f.write("\n")


def families():
    cases = []
    for file in sorted(os.listdir(FOLDER)):
        if not file.endswith(".jinja"):
            continue
        with open(os.path.join(FOLDER, file), encoding="utf-8", newline="") as f:
            source = f.read()
        for name in CONVERSATIONS:
            variables = dict(CONVERSATIONS[name], bos_token="<s>", eos_token="</s>")
            variables.setdefault("tools", None)
            variables.setdefault("documents", None)
            cases.append({"template": file, "conversation": name, "expected": render(source, variables)})
    return {"conversations": CONVERSATIONS, "cases": cases}


def snippets():
    sources = [line for line in SNIPPETS.split("\n") if line] + BLOCKS
    return {"conversations": {"all": VARIABLES},
            "cases": [{"source": s, "conversation": "all", "expected": render(s, VARIABLES)} for s in sources]}


def literals(text):
    """The C++ string literals, raw or not, that are templates."""
    out = []
    for raw in re.finditer(r'R"(\w*)\((.*?)\)\1"', text, re.S):
        out.append(raw.group(2))
    for plain in re.finditer(r'"((?:[^"\\\n]|\\.)*)"', re.sub(r'R"(\w*)\((.*?)\)\1"', "", text, flags=re.S)):
        out.append(plain.group(1).encode("latin-1", "backslashreplace").decode("unicode_escape")
                   if plain.group(1).isascii() else
                   re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m.group(1), m.group(1)), plain.group(1)))
    return [s for s in out if "{%" in s and "messages" in s]


def published(archives):
    sources = {}
    for archive in archives:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = os.path.basename(member.name)
                if name.endswith(".jinja"):
                    sources[name] = tar.extractfile(member).read().decode()
                elif name == "test-chat-template.cpp":
                    for i, s in enumerate(literals(tar.extractfile(member).read().decode())):
                        sources["literal %d" % i] = s
    cases, seen = [], set()
    for name, source in sources.items():
        if source in seen:
            continue
        seen.add(source)
        for conversation in CONVERSATIONS:
            variables = dict(CONVERSATIONS[conversation], bos_token="<s>", eos_token="</s>")
            variables.setdefault("tools", None)
            variables.setdefault("documents", None)
            cases.append({"name": name, "source": source, "conversation": conversation,
                          "expected": render(source, variables)})
    return {"conversations": CONVERSATIONS, "cases": cases}


archives = [a for a in sys.argv[1:] if not a.startswith("-")]
if archives:
    json.dump(published(archives), sys.stdout, ensure_ascii=False)
else:
    write("families.json", families())
    write("snippets.json", snippets())
