"""Every call that draws Markdown or HTML, or names a download, shows what this app wrote or what was escaped."""

import textwrap
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, nodes

from core.report import answers_render, render
from tests.ui.flowing import ROOT, faults

WORDS = {
    "core/backbones/base.py": {
        "family.hint",
        "family.title",
    },
    "core/benchmark/base.py": {
        "Registry('protocol', 'core.benchmark')",
    },
    "core/metrics/base.py": {
        "metric.meaning",
        "metric.zero_means",
    },
    "core/ui/ask/one.py": {
        "zip(('before', 'after'), found, strict=False)",
    },
    "core/ui/ask/page.py": {
        "model.attachment.family.title",
    },
    "core/ui/benchmark/page.py": {
        "PROTOCOLS.get(names[0]).words",
        "PROTOCOLS.get(protocol).words",
        "arm.words",
        "method.cost",
        "method.needs.words()",
        "method.paper",
        "method.plain_for(gallery.kind)",
        "result.settings",
    },
    "core/ui/benchmark/table.py": {
        "e.n",
    },
    "core/ui/benchmark/studies.py": {
        "STUDIES.names()",
        "study.question",
    },
    "core/ui/compare/beside.py": {
        "zip('AB', map(shown, pair), strict=True)",
    },
    "core/ui/compare/method.py": {
        "chosen.cost",
        "chosen.needs.words()",
        "chosen.paper",
        "chosen.plain_for(question.gallery.kind)",
    },
    "core/ui/compare/numbers.py": {
        "kind.title",
        "ranked.after",
        "ranked.before",
    },
    "core/ui/compare/scenes.py": {
        "inside.after",
        "inside.before",
    },
    "core/ui/compare/take_home.py": {
        "kind.stays",
        "kind.title",
    },
    "core/ui/compare/why.py": {
        "CLICKED.of(state)",
        "dict.fromkeys(rows[0], '–')",
    },
    "core/ui/data/making.py": {
        "kinds[way].needs",
    },
    "core/ui/data/training.py": {
        "order.attach",
        "order.half",
        "gallery.token_settings()",
        "job.stage",
        "order.config.arch",
        "plan.why()",
        "setting.metadata",
    },
    "core/ui/guide/page.py": {
        "known[name].title",
        "piece.text",
        "topic.title",
    },
    "core/ui/label/keys.py": {
        "detail",
        "n",
    },
    "core/ui/label/mine.py": {
        "progress.assign(Rater=progress['Rater'].map(grids.escape)).set_index('Rater')",
    },
    "core/ui/neurons/heads.py": {
        "pull.head",
    },
    "core/ui/parts/facts.py": {
        "re.sub('`(.+?)`', '<code style=\"font-size:.85em;opacity:.8\">\\\\1</code>', strong)",
    },
    "core/ui/parts/frame.py": {
        "state.edits",
        "text()",
    },
    "core/ui/parts/wording.py": {
        "write(e.estimate)",
        "write(e.hi)",
        "write(e.lo)",
    },
    "core/ui/report/page.py": {
        "files['report.html'].decode()",
    },
    "core/ui/report/shelf.py": {
        "one.findings",
    },
    "core/ui/session/results.py": {
        "dict.fromkeys((question.gallery.side, 'text'))",
    },
    "core/ui/start/stage.py": {
        "STEPS[at].title",
        "STEPS[number].sentence",
        "STEPS[number].title",
        "step.sentence",
        "step.title",
    },
    "core/ui/start/uploads.py": {
        "upload.side",
    },
    "core/ui/session/presenting.py": {
        "st.session_state",
    },
    "core/ui/parts/door.py": {
        "visit.why",
    },
    "core/ui/parts/offers.py": {
        "given",
    },
    "core/ui/parts/standing.py": {
        "job.state",
        "use of _live",
    },
    "pages/data_and_models.py": {
        "title",
    },
}
"""File -> what is shown there, cannot be followed, and was read: words of registered things and of the guide, which
stand in the source; numbers; words that a type lists; what is escaped before it is marked."""
OURS = frozenset((file, part) for file, parts in WORDS.items() for part in parts)
WRITERS = [f"core.ui.parts.frame.{name}" for name in ("_gallery_text", "_model_text", "_sae_text")]
"""Functions that are handed on to the place that draws what they return."""


@pytest.mark.slow
def test_every_text_that_is_drawn_is_ours_or_escaped() -> None:
    found, unused = faults(ROOT, OURS, WRITERS)
    assert [f"{f.file}:{f.line} {f.call} ({f.kind}) shows {f.part} of {f.source}" for f in found] == []
    assert unused == frozenset(), "no place needs these any more"


HEAD = """
    import html
    import streamlit as st
    from core.ui.session.escaping import escape

    class Gallery:
        name: str
        n: int

"""
SHOWS = "def f(g: Gallery, names: list[str]) -> None:\n    "
PLANTED = {
    "by name": SHOWS + "st.markdown(f'**{E(g.name)}** of {g.n}')",
    "through names": SHOWS + "said = E(g.name)\n    line = said + '.'\n    st.caption(line)",
    "in a loop": SHOWS + "for n, name in enumerate(names):\n        st.info(f'{n} {E(name)}')",
    "from a caller": "def h(text: str) -> None:\n    st.write(text)\n\n" + SHOWS + "h(E(g.name))",
    "from a function": "def h(g: Gallery) -> str:\n    return E(g.name)\n\n" + SHOWS + "st.error(h(g))",
    "an error": SHOWS + "try:\n        pass\n    except ValueError as error:\n        st.warning(E(str(error)))",
    "appended": SHOWS + "rows = []\n    rows.append({'': E(g.name), 'n': g.n})\n    st.table(rows)",
    "a help": SHOWS + "st.metric('n', g.n, help=f'of {E(g.name)}')",
    "a label of a column": SHOWS + "left, right = st.columns(2)\n    left.button(E(g.name))",
    "choices": SHOWS + "st.pills('Name', names, format_func=lambda name: E(name))",
    "captions": SHOWS + "st.image('x', caption=[E(g.name)])",
    "progress": SHOWS + "st.progress(0.5, text=f'{E(g.name)}...')",
    "a title": SHOWS + "st.info('x', title=E(g.name))",
    "a column of a table": SHOWS + "st.column_config.NumberColumn(E(g.name))",
}


def planted(root: Path, body: str, escape: str) -> list[str]:
    """Kinds of the faults of a page whose texts go through `escape`."""
    (root / "core" / "ui").mkdir(parents=True, exist_ok=True)
    text = textwrap.dedent(HEAD) + body.replace("E(", f"{escape}(") + "\n"
    (root / "core" / "ui" / "planted.py").write_text(text)
    return [fault.kind for fault in faults(root)[0]]


@pytest.mark.parametrize("body", PLANTED.values(), ids=PLANTED)
def test_a_planted_text_is_found_until_it_is_escaped(tmp_path: Path, body: str) -> None:
    assert planted(tmp_path, body, "str") == ["markdown"]
    assert planted(tmp_path, body, "escape") == []
    assert planted(tmp_path, body, "html.escape") == ["markdown"], "an escape of another kind is none"


def test_html_and_names_of_downloads_are_followed_too(tmp_path: Path) -> None:
    shown = "def f(g: Gallery) -> None:\n    st.html(f'<p>{E(g.name)}</p>')"
    for escape, found in (("str", ["html"]), ("escape", ["html"]), ("html.escape", [])):
        assert planted(tmp_path, shown, escape) == found
    shown = "def f(g: Gallery) -> None:\n    st.markdown(f'<p>{E(g.name)}</p>', unsafe_allow_html=True)"
    for escape, found in (("str", ["html"]), ("html.escape", [])):
        assert planted(tmp_path, shown, escape) == found
    assert planted(tmp_path, "def f(g: Gallery) -> None:\n    st.download_button('x', b'', f'{g.name}.zip')", "") == [
        "file"
    ]
    named = "import re\n\ndef f(g: Gallery) -> None:\n    name = re.sub('[^A-Za-z0-9]+', '-', g.name)\n"
    assert planted(tmp_path, f"{named}    st.download_button('x', b'', file_name=f'{{name}}.zip')", "") == []


def test_a_text_that_calls_itself_is_followed_to_its_end(tmp_path: Path) -> None:
    body = "def f(n: int, g: Gallery) -> str:\n    return f(n - 1, g) if n else E(g.name)\n\n"
    body += "def h(g: Gallery) -> None:\n    st.markdown(f(3, g))"
    assert planted(tmp_path, body, "str") == ["markdown"] and planted(tmp_path, body, "escape") == []


# -- templates --------------------------------------------------------------------------------------------------------

SAFE = {
    "report.html.j2": ["Const( class=screen)", "Const( class=screen)", 'Const( class="first")'],
}
"""What templates mark as HTML: attributes of their own."""


@pytest.mark.parametrize("path", sorted(render.TEMPLATES.glob("*.html.j2")), ids=lambda path: path.name)
def test_templates_of_pages_escape_what_they_are_given(path: Path) -> None:
    for made in (render._environment(), getattr(answers_render, "_environment", render._environment)()):
        escapes = made.autoescape
        assert escapes(path.name) if callable(escapes) else escapes
    tree = Environment(loader=FileSystemLoader(render.TEMPLATES)).parse(path.read_text(encoding="utf-8"))
    marked = [
        f"{type(n.node).__name__}({getattr(n.node, 'name', None) or getattr(n.node, 'value', '')})"
        for n in tree.find_all(nodes.Filter)
        if n.name == "safe" and n.node is not None
    ]
    assert marked == SAFE.get(path.name, [])
    assert not list(tree.find_all(nodes.ScopedEvalContextModifier)), "no block turns the escape off"
