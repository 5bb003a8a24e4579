"""Style sheet of `/docs`: the dashboard's colours, light and dark."""

STYLE = """
:root { color-scheme: light; --page: #f5f6f8; --surface: #fff; --raised: #f0f3f7; --text: #17202b; --muted: #5b6776;
  --line: #dfe4ea; --accent: #0b62a8; --on-accent: #fff; --bar: #b9cbdc; --warning: #8a5a00; --error: #a8320a;
  --good: #00704f; --mono: ui-monospace, "SF Mono", "Cascadia Mono", "Liberation Mono", Menlo, monospace; }
@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) { color-scheme: dark; --page: #0f141a;
  --surface: #171e26; --raised: #202a35; --text: #e8edf3; --muted: #9aa8b7; --line: #2c3743; --accent: #6cb6f2;
  --on-accent: #0b1a28; --bar: #3d5468; --warning: #f0bd5e; --error: #ff9470; --good: #5fd1a8; } }
:root[data-theme="dark"] { color-scheme: dark; --page: #0f141a; --surface: #171e26; --raised: #202a35; --text: #e8edf3;
  --muted: #9aa8b7; --line: #2c3743; --accent: #6cb6f2; --on-accent: #0b1a28; --bar: #3d5468; --warning: #f0bd5e;
  --error: #ff9470; --good: #5fd1a8; }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--page); color: var(--text); line-height: 1.5; font-size: 15px;
  font-family: "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif; }
header, main { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; padding-top: 1.75rem; }
h1 { font-size: 1.6rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .75rem; }
h3 { font-size: .8rem; margin: 1.1rem 0 .35rem; color: var(--muted); text-transform: uppercase;
  letter-spacing: .05em; }
p { margin: .4rem 0; }
.lead { flex-basis: 100%; color: var(--muted); margin: 0; }
.grow { flex: 1; }
a { color: var(--accent); }
code, pre, .path { font-family: var(--mono); font-size: .88em; }
code { background: var(--raised); border-radius: 4px; padding: .08em .35em; }
.pill { display: inline-flex; align-items: center; gap: .45em; border: 1px solid var(--line); border-radius: 99px;
  padding: .15rem .75rem; font-size: .85rem; background: var(--surface); color: var(--muted); }
.pill::before { content: ""; width: .6em; height: .6em; border-radius: 50%; background: currentColor; }
.pill.good { color: var(--good); } .pill.bad { color: var(--error); }
button, select, input, textarea { font: inherit; color: inherit; background: var(--surface);
  border: 1px solid var(--line); border-radius: 6px; padding: .4rem .65rem; }
input, select, textarea { width: 100%; }
textarea { resize: vertical; min-height: 5.5rem; }
:is(button, select, input, textarea, summary, a):focus-visible { outline: 2px solid var(--accent);
  outline-offset: 1px; }
button { cursor: pointer; }
button.main { background: var(--accent); color: var(--on-accent); border-color: var(--accent); font-weight: 600;
  padding: .45rem 1.3rem; }
button:disabled { opacity: .6; cursor: default; }
button.small { padding: .1rem .6rem; font-size: .82rem; color: var(--muted); }
.card { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; }
.try { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
.try > * { padding: 1.1rem 1.25rem; min-width: 0; }
.try > :last-child { border-left: 1px solid var(--line); }
label { display: block; font-size: .85rem; color: var(--muted); margin-bottom: .75rem; }
label > * { margin-top: .2rem; color: var(--text); font-size: .95rem; }
.row { display: grid; grid-template-columns: 2fr 1fr 1fr; gap: .75rem; }
.answer { margin-bottom: 1rem; overflow-wrap: anywhere; }
.answer .text { color: var(--muted); font-size: .88rem; }
.answer .tag { font-weight: 600; font-size: 1.05rem; margin: .1rem 0 .35rem; }
.answer .tag small { font-weight: 400; color: var(--muted); margin-left: .6em; }
.share { display: grid; grid-template-columns: minmax(6rem, 13rem) 1fr 3.6rem; gap: .6rem; align-items: center;
  font-size: .85rem; }
.share .bar { height: .6rem; border-radius: 3px; background: var(--raised); overflow: hidden; }
.share .bar i { display: block; height: 100%; background: var(--bar); border-radius: 3px; }
.share.first .bar i { background: var(--accent); }
.share .number { text-align: right; font-variant-numeric: tabular-nums; }
.error { color: var(--error); }
.empty { color: var(--muted); }
pre { background: var(--raised); border-radius: 6px; padding: .7rem .85rem; overflow: auto; margin: .4rem 0;
  max-height: 22rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.operation { margin-bottom: .5rem; overflow: hidden; }
.operation > summary { display: flex; flex-wrap: wrap; gap: .2rem .85rem; align-items: center;
  padding: .6rem 1rem; cursor: pointer; list-style: none; }
summary::-webkit-details-marker { display: none; }
.operation > summary:hover { background: var(--raised); }
.operation[open] > summary { border-bottom: 1px solid var(--line); }
.operation .inside { padding: .5rem 1.1rem 1.1rem; }
.method { font-family: var(--mono); font-size: .75rem; font-weight: 700; width: 4.6rem; text-align: center;
  border-radius: 5px; padding: .18rem 0; border: 1px solid currentColor; }
.get { color: var(--accent); } .post { color: var(--good); } .delete { color: var(--error); }
.summary { color: var(--muted); flex: 1; min-width: 12rem; }
.lock { font-size: .75rem; color: var(--warning); border: 1px solid currentColor; border-radius: 99px;
  padding: 0 .6rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
td, th { text-align: left; vertical-align: top; padding: .32rem .75rem .32rem 0; border-top: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; font-family: var(--mono); font-size: .86em; }
tr:first-child > * { border-top: 0; }
.fields th, .fields .kind { width: 11rem; }
.fields .kind { color: var(--muted); width: 17rem; }
h3.record { text-transform: none; letter-spacing: 0; font-family: var(--mono); }
tr:target { background: var(--raised); }
.problems { padding: .4rem 1.1rem; }
footer { color: var(--muted); font-size: .88rem; padding: 2rem 0 3rem; }
@media (max-width: 46rem) { .try { grid-template-columns: minmax(0, 1fr); }
  .try > :last-child { border-left: 0; border-top: 1px solid var(--line); }
  .share { grid-template-columns: minmax(5rem, 9rem) 1fr 3.4rem; }
  .fields th, .fields .kind { width: auto; }
  th { white-space: normal; overflow-wrap: anywhere; } }
"""
