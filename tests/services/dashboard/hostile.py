"""150 documents that want to act in a browser, a terminal, a template or a spreadsheet, or to hide what they are."""

from __future__ import annotations

from tests.texts import essay

ATTACK = "window.attacked=1"
_MARKUP = (
    f"<script>{ATTACK}</script>",
    f"</pre></td></table><script>{ATTACK}</script>",
    f"<img src=x onerror={ATTACK}>",
    f'"><img src=x onerror="{ATTACK}">',
    f"'-{ATTACK}-'",
    f"<svg onload={ATTACK}>",
    f"<svg><script>{ATTACK}</script></svg>",
    f"<svg><animate onbegin={ATTACK} attributeName=x dur=1s>",
    f"<iframe srcdoc='<script>parent.{ATTACK}</script>'></iframe>",
    f"<iframe src='javascript:parent.{ATTACK}'></iframe>",
    f"<a href='javascript:{ATTACK}'>read more</a>",
    f"<body onload={ATTACK}>",
    f"<details open ontoggle={ATTACK}>x</details>",
    f"<input autofocus onfocus={ATTACK}>",
    f"<video><source onerror={ATTACK}></video>",
    f"<math><mtext><script>{ATTACK}</script></mtext></math>",
    f"<template><script>{ATTACK}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={ATTACK}>'></noscript>",
    f"<style>@import 'javascript:{ATTACK}';*{{display:none}}</style>",
    "<style>body{background:url(//outside.example/x)}</style>",
    "<link rel=stylesheet href=//outside.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//outside.example/'>",
    "<base href=//outside.example/>",
    "<img src=//outside.example/pixel.gif>",
    "<form action=//outside.example/><button>log in again</button></form>",
    f"<div hx-get='/ui/logout' hx-trigger='load' hx-on:htmx:load='{ATTACK}'>x</div>",
    "<div hx-post='/v1/jobs' hx-trigger='load' data-hx-vals='{}'>x</div>",
    f"<div onmouseover={ATTACK} style='position:fixed;inset:0'>x</div>",
    f"<!--><script>{ATTACK}</script-->",
    f"<![CDATA[<script>{ATTACK}</script>]]>",
    f"<plaintext><script>{ATTACK}</script>",
    f"<textarea></textarea><script>{ATTACK}</script>",
    f"<title></title><script>{ATTACK}</script>",
    f"<xmp></xmp><script>{ATTACK}</script>",
    f"&lt;script&gt;{ATTACK}&lt;/script&gt;",
    f"&#60;script&#62;{ATTACK}&#60;/script&#62;",
    f"\\u003cscript\\u003e{ATTACK}\\u003c/script\\u003e",
    f"%3Cscript%3E{ATTACK}%3C/script%3E",
    f"+ADw-script+AD4-{ATTACK}+ADw-/script+AD4-",
    f"<scr\x00ipt>{ATTACK}</scr\x00ipt>",
    f"<ScRiPt/x>{ATTACK}</sCrIpT >",
    f"＜script＞{ATTACK}＜/script＞",
)
_TEMPLATES = (
    "{{ 7 * 191 }}", "{% for x in range(9) %}{{ x }}{% endfor %}", "${7 * 191}", "#{7 * 191}", "<%= 7 * 191 %>",
    "{{ request.app.state }}", "{{ ''.__class__.__mro__ }}", "{{constructor.constructor('window.attacked=1')()}}",
    "[[${7 * 191}]]", "{# comment #}", "{{", "%}", "__import__('os').system('true')",
)  # fmt: skip
_FORMULAS = (
    "=1+1", "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1:A2)", '=HYPERLINK("http://outside.example","x")', "\t=1+1",
    "\r=1+1", "=IMPORTXML(\"http://outside.example\",\"//a\")", "|calc", "%0A=1+1",
)  # fmt: skip
_HIDDEN = (
    "a\u202eb\u202c c", "\u2066inner\u2069", "\u200fright to left", "zero\u200bwidth\u200dhere\ufeff",
    "soft\u00adhyphen",
    "tag\U000e0041\U000e0042", "bell\x07 and escape \x1b[31mred\x1b[0m", "null\x00byte", "delete\x7fchar", "c1\x9bcsi",
    "line\u2028paragraph\u2029", "private\ue000use", "unassigned\u0378here", "combining" + "\u0301" * 200,
    "surrogates are no text", "noncharacter\ufdd0", "\u061cmark", "interlinear\ufff9a\ufffab\ufffb", "\ufffd\ufffd",
    "variation\ufe0f\U000e0100",
)  # fmt: skip
_SHAPES = (
    "w" * 20_000, "ﷺ" * 2000, "\n" * 3000, " " * 3000 + "x", "\t" * 500, "漢" * 5000,
    "🏳️‍🌈" * 300, "l\n" * 2000, "-" * 5000,
    "0" * 400, "A" + "\u0323\u0301" * 300, "مرحبا بالعالم " * 300, "שלום עולם " * 300,
    "<" * 4000, "&" * 4000, "'" * 4000,
    '"' * 4000, "`" * 4000, "\\" * 4000, "../../../../etc/passwd", "file:///etc/passwd", "javascript:void(0)",
)  # fmt: skip
_ATTACKS = (*_MARKUP, *_TEMPLATES, *_FORMULAS, *_HIDDEN, *_SHAPES)
HOSTILE: tuple[str, ...] = (
    *_ATTACKS,
    *(f"{attack}\n{essay(7000 + n, 24)}" for n, attack in enumerate(_ATTACKS[: 150 - len(_ATTACKS)])),
)
"""Bare, and before a text that the rules keep."""
assert len(HOSTILE) == 150, len(HOSTILE)
