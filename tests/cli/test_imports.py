"""What each verb imports: a heavy library is imported where it is used, and nobody waits for one that is not."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.cli import app as frame
from core.cli.light import without_pydantic
from core.gallery import open_gallery

HEAVY = (
    *("torch", "open_clip", "transformers", "torchvision", "timm", "faiss", "umap", "numba", "sklearn", "fairlearn"),
    *("pandas", "scipy", "scipy.stats", "pyarrow", "PIL", "plotly", "matplotlib", "sqlalchemy", "streamlit", "jinja2"),
    *("pydantic", "tqdm", "numpy"),
)
RUN = """
import json, sys
from core.cli import main
code = main(sys.argv[2:])
print(json.dumps([code, [name for name in json.loads(sys.argv[1]) if name in sys.modules]]), file=sys.stderr)
"""


def imported(*arguments: str) -> tuple[int, set[str]]:
    """Exit code of a verb in a process of its own, and the heavy libraries that were imported at its end."""
    command = [sys.executable, "-c", RUN, json.dumps(HEAVY), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    code, names = json.loads(done.stderr.splitlines()[-1])
    return code, set(names)


@pytest.mark.parametrize("arguments", [["--help"], [], ["rnk"], ["gallery", "info", "--foo"], ["verify", "--nothing"]])
def test_help_and_wrong_options_import_nothing(arguments: list[str]) -> None:
    code, names = imported(*arguments)
    assert code == (0 if arguments == ["--help"] else 2)
    assert names == set()


def test_no_verb_imports_anything_before_it_is_called() -> None:
    """Every verb's own help, one after the other in one process."""
    parser = frame.parser_of("")
    verbs = [[name] for name, one in parser.commands.items() if not hasattr(one, "commands")]
    verbs += [[group, name] for group, one in parser.commands.items() for name in getattr(one, "commands", {})]
    assert len(verbs) > 25
    helps = "\n".join(f"assert main({[*verb, '--help']!r}) == 0" for verb in verbs)
    done = subprocess.run(
        [sys.executable, "-c", RUN.replace("code = main(sys.argv[2:])", f"{helps}\ncode = 0"), json.dumps(HEAVY)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert json.loads(done.stderr.splitlines()[-1]) == [0, []]


def test_looking_at_a_gallery_reads_its_table_alone() -> None:
    assert imported("gallery", "info", "default", "--json") == (0, {"numpy", "pyarrow"})
    assert imported("gallery", "info", "nowhere") == (2, {"numpy", "pyarrow"})


def test_a_ranking_by_an_embedding_needs_no_model(tmp_path: Path) -> None:
    np.save(tmp_path / "q.npy", open_gallery("default").embeddings()[3])
    given = ["rank", "--gallery", "default", "--attribute", "gender", "--query-embedding", str(tmp_path / "q.npy")]
    code, names = imported(*given)
    assert code == 0
    assert names == {"numpy", "pyarrow", "scipy", "faiss", "pydantic"}


@pytest.mark.slow
def test_a_ranking_by_a_prompt_loads_the_model_and_no_table() -> None:
    code, names = imported("rank", "--gallery", "default", "--attribute", "gender", "--query", "a photo of a doctor")
    assert code == 0
    assert "torch" in names
    assert not names & {"pandas", "sklearn", "umap", "plotly", "matplotlib", "sqlalchemy", "streamlit", "fairlearn"}


def test_a_verbs_files_hold_all_of_it() -> None:
    """Where files are called after a verb they are read alone, and leave nothing of it out."""
    parser = frame.parser_of("")
    for name, whole in parser.commands.items():
        alone = json.loads(
            subprocess.run(
                [
                    *(sys.executable, "-c"),
                    "import json, sys\nfrom core.cli.app import parser_of\n"
                    "found = parser_of(sys.argv[1]).commands\n"
                    "print(json.dumps({name: sorted(getattr(one, 'commands', {})) for name, one in found.items()}))",
                    name,
                ],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            ).stdout
        )
        assert alone == {name: sorted(getattr(whole, "commands", {}))}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["rank", "--gallery", "default", "--attribute", "gender", "--k", "x"], "'--k'"),
        (["gallery", "synth", "--n", "1", "--d", "3", "--out", "nowhere", "--seed", "-1"], "'--seed'"),
        (["gallery", "synth", "--n", "1.5", "--d", "3", "--out", "nowhere"], "'--n'"),
        (["gallery", "synth", "--n", "1_0", "--d", "x", "--out", "nowhere"], "'--d'"),
    ],
)
def test_what_is_no_number_is_said_in_typers_words(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert frame.main(given) == frame.BAD_INPUT
    mine = capsys.readouterr().err
    assert said in mine and mine.count("\n") == 1


def test_plain_options_are_read_as_typer_reads_them() -> None:
    """The same values, with and without pydantic."""
    import typer

    texts = ["--k", "7", "--target-skew", "0.25", "--where", "a=b", "--where", "c=d", "--gallery", "g", "--sae", "s"]
    texts += ["--query", "q", "--attribute", "x", "--json"]
    command = frame.parser_of("attribute").commands["attribute"]
    bare = typer.main.get_command(frame.app).commands["attribute"]
    light, whole = (one.make_context("attribute", list(texts)).params for one in (without_pydantic(command), bare))
    assert light == whole
    assert [type(value) for value in light.values()] == [type(value) for value in whole.values()]
