"""Where a text of the app comes from: followed through names, calls and loops back to what wrote it.

A text is *ours* where every part of it is a constant of the source, a number, or has gone through an escape. What
cannot be followed is foreign, so that a new place has to be understood or escaped. `faults` lists, for every call
that draws Markdown or HTML or names a download, the parts that are foreign.
"""

import ast
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = frozenset({"int", "float", "bool", "None", "NoneType", "float32", "int64", "datetime", "Literal"})
"""Annotations of values that cannot carry a text of somebody else."""
COUNTS = frozenset({"len", "int", "float", "round", "abs", "sum", "bool", "range", "ord", "isinstance", "hash"})
SAME = frozenset({"str", "list", "tuple", "sorted", "reversed", "set", "dict", "next", "iter", "min", "max", "filter"})
"""Calls that give what they get."""
METHODS = frozenset(
    {"__getitem__", "replace", "join", "capitalize", "lower", "upper", "title", "strip", "lstrip", "rstrip", "format"}
    | {"removeprefix", "removesuffix", "partition", "rpartition", "split", "items", "keys", "values", "get", "copy"}
)
"""Methods of texts and collections that give what they get."""
COMPUTED = frozenset({"digest", "neurons", "shape"})
"""Fields that hold numbers, or digits of a hash that is computed here, wherever they stand."""
OWN = frozenset({"hexdigest", "token_hex", "strftime", "isoformat"})
"""Methods that write letters and digits of their own."""
CHOSEN = frozenset({"among", "selectbox", "segmented_control", "pills", "radio", "select_slider", "multiselect"})
"""Methods that give one of the choices that they get second."""
MARKDOWN = {
    **dict.fromkeys(("markdown", "caption", "write", "badge", "toast", "spinner"), (0,)),
    **dict.fromkeys(("error", "warning", "info", "success", "title", "header", "subheader"), (0,)),
    **dict.fromkeys(("button", "checkbox", "toggle", "selectbox", "multiselect", "text_input", "text_area"), (0,)),
    **dict.fromkeys(("number_input", "slider", "select_slider", "file_uploader", "download_button"), (0,)),
    **dict.fromkeys(("form_submit_button", "expander", "popover", "tabs", "dialog", "table", "link_button"), (0,)),
    **dict.fromkeys(("radio", "pills", "segmented_control"), (0,)),
    "metric": (0, 2),
    "progress": (1,),
    "image": (1,),
}
"""Call -> places of the arguments that a browser reads as Markdown."""
OPTIONS = frozenset({"radio", "pills", "segmented_control"})
"""Calls whose choices are read as Markdown too, written by `format_func` where it is given."""
OFFERS = {"core.ui.parts.offers.upload": "file_uploader", "core.ui.parts.offers.download": "download_button"}
"""Functions of ours that hand on what they are given to a call of the place that they are given first."""
NAMED = {"help": "markdown", "caption": "markdown", "captions": "markdown", "delta": "markdown", "text": "markdown"}
NAMED |= {"label": "markdown", "body": "markdown", "file_name": "file"}
HTML = {"html": (0,), "iframe": (0,)}
ESCAPES = {
    "markdown": frozenset({"core.writing.escape", "core.ui.session.escaping.escape"}),
    "html": frozenset({"html.escape", "markupsafe.escape"}),
    "file": frozenset(),
}
PLAIN_LETTERS = "'[^A-Za-z0-9"
"""How a pattern begins that leaves letters and digits alone of a file's name."""
Function = ast.FunctionDef | ast.Lambda
Leaves = frozenset[tuple[str, str]]
"""(file, expression) of what cannot be followed."""
Given = tuple[tuple[str, Leaves], ...]
NONE: Leaves = frozenset()


class Take(ast.expr):
    """Part of what a collection holds: its keys, its values, or the element at one place of each of its tuples."""

    _fields = ("e",)

    def __init__(self, e: ast.expr, how: str | int) -> None:
        super().__init__()
        self.e, self.how = e, how


@dataclass
class Module:
    name: str
    path: Path
    tree: ast.Module
    imports: dict[str, str] = field(default_factory=dict)
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    globals: dict[str, list[ast.expr]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """Where an expression stands, and what the innermost function was given (None: whatever its callers pass)."""

    module: str
    functions: tuple[Function, ...] = ()
    given: Given | None = None


@dataclass(frozen=True)
class Binding:
    """What a name of a function may be."""

    values: list[ast.expr]
    parameter: ast.arg | None
    function: Function
    scope: Scope


@dataclass(frozen=True)
class Fault:
    """A place that shows a foreign text, and where that comes from."""

    file: str
    line: int
    call: str
    kind: str
    source: str
    """File in which the foreign part stands."""
    part: str


def faults(root: Path = ROOT, ours: Leaves = NONE, writers: Iterable[str] = ()) -> tuple[list[Fault], Leaves]:
    """Every place that shows a text which nobody escaped, and what of `ours` no place needs.

    Parameters
    ----------
    root : folder that holds core, pages and app.py.
    ours : (file, expression) of what cannot be followed and is known to be written by this app alone.
    writers : functions that are handed on to others, by their full names: what they return is drawn.
    """
    program = Program(root, ours)
    found = [fault for module in program.shown() for fault in program.faults_of(module)]
    found += [fault for name in writers for fault in program.written_by(name)]
    return found, ours - program.used


class Program:
    """Every module of core and of the pages, and what is known of their texts."""

    def __init__(self, root: Path, ours: Leaves) -> None:
        self.ours, self.root = ours, root
        self.used: set[tuple[str, str]] = set()
        files = [*sorted((root / "core").rglob("*.py")), *sorted((root / "pages").glob("*.py")), root / "app.py"]
        self.modules = {m.name: m for m in (self._read(path) for path in files if path.is_file())}
        self.literals = self._literals()
        self.fields = self._fields()
        self.parents: dict[ast.AST, ast.AST] = {}
        for module in self.modules.values():
            for node in ast.walk(module.tree):
                for child in ast.iter_child_nodes(node):
                    self.parents[child] = node
        self.calls = self._calls()
        self.known: dict[Hashable, Leaves] = {}
        self.looking: set[Hashable] = set()
        self.cut: set[Hashable] = set()
        self.kind = "markdown"

    # -- what is there ---------------------------------------------------------------------------------------------

    def _read(self, path: Path) -> Module:
        parts = path.relative_to(self.root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        module = Module(name, path, ast.parse(path.read_text(encoding="utf-8")))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                module.imports |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
            elif isinstance(node, ast.Import):
                module.imports |= {a.asname or a.name.split(".")[0]: a.name for a in node.names}
            elif isinstance(node, ast.FunctionDef):
                module.functions.setdefault(node.name, node)
        for node in module.tree.body:
            for name, value in _assigned(node):
                module.globals.setdefault(name, []).append(value)
        return module

    def _literals(self) -> frozenset[str]:
        return frozenset(
            name
            for module in self.modules.values()
            for name, values in module.globals.items()
            if all(isinstance(v, ast.Subscript) and ast.unparse(v.value) == "Literal" for v in values)
        )

    def _fields(self) -> dict[str, list[ast.expr | None]]:
        """Name of a field, property or method -> what every class says that it is."""
        found: dict[str, list[ast.expr | None]] = {}
        for module in self.modules.values():
            for node in ast.walk(module.tree):
                for part in node.body if isinstance(node, ast.ClassDef) else ():
                    if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                        found.setdefault(part.target.id, []).append(part.annotation)
                    elif isinstance(part, ast.FunctionDef):
                        found.setdefault(part.name, []).append(part.returns)
        return found

    def _calls(self) -> dict[str, list[tuple[ast.Call, str]]]:
        """Name of what is called -> its calls in the pages; a function that is passed on is called from anywhere."""
        found: dict[str, list[tuple[ast.Call, str]]] = {}
        for module in self.modules.values():
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call):
                    found.setdefault(_called(node), []).append((node, module.name))
        return found

    def shown(self) -> list[Module]:
        return [m for m in self.modules.values() if m.name.startswith(("core.ui", "pages", "app"))]

    # -- the places that show texts --------------------------------------------------------------------------------

    def faults_of(self, module: Module) -> Iterator[Fault]:
        for node in ast.walk(module.tree):
            for kind, value in self.drawn_by(node, module) if isinstance(node, ast.Call) else ():
                self.kind = kind
                leaves = self.foreign(value, self.scope_of(node, module.name))
                yield from self._faults(leaves, module.name, node.lineno, _called(node))

    def written_by(self, name: str) -> Iterator[Fault]:
        module, _, short = name.rpartition(".")
        function, self.kind = self.modules[module].functions[short], "markdown"
        yield from self._faults(self._returned(module, function, None), module, function.lineno, short)

    def _faults(self, leaves: Leaves, module: str, line: int, call: str) -> Iterator[Fault]:
        self.used |= leaves & self.ours
        yield from (Fault(self.file(module), line, call, self.kind, *leaf) for leaf in sorted(leaves - self.ours))

    def drawn_by(self, call: ast.Call, module: Module) -> Iterator[tuple[str, ast.expr]]:
        yield from drawn(call, module)
        origin = self._origin(call.func, Scope(module.name))
        if origin in OFFERS and call.args:
            field = ast.Attribute(call.args[0], OFFERS[origin], ast.Load())
            yield from drawn(ast.Call(field, call.args[1:], call.keywords), module)

    def file(self, module: str) -> str:
        return self.modules[module].path.relative_to(self.root).as_posix()

    def scope_of(self, node: ast.AST, module: str) -> Scope:
        functions: list[Function] = []
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, ast.FunctionDef | ast.Lambda):
                functions.append(node)
        return Scope(module, tuple(functions))

    # -- following -------------------------------------------------------------------------------------------------

    def foreign(self, e: ast.expr | None, scope: Scope) -> Leaves:
        """The parts of an expression that somebody else may have written, as they stand where they come from."""
        parts: list[ast.expr | None]
        if e is None or isinstance(e, ast.Constant | ast.Compare | ast.UnaryOp):
            return NONE
        if isinstance(e, ast.FormattedValue):
            parts = [] if _numeric(e.format_spec) else [e.value]
        elif isinstance(e, ast.BinOp):
            parts = [e.left, e.right] if isinstance(e.op, ast.Add | ast.BitOr | ast.Mult | ast.Mod) else []
        elif isinstance(e, ast.JoinedStr | ast.BoolOp):
            parts = [*e.values]
        elif isinstance(e, ast.IfExp):
            parts = [e.body, e.orelse]
        elif isinstance(e, ast.List | ast.Tuple | ast.Set):
            parts = [*e.elts]
        elif isinstance(e, ast.Dict):
            parts = [*e.keys, *e.values]
        elif isinstance(e, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            parts = [e.elt]
        elif isinstance(e, ast.DictComp):
            parts = [e.key, e.value]
        elif isinstance(e, ast.Starred | ast.NamedExpr | ast.Subscript):
            parts = [e.value]
        elif isinstance(e, ast.Lambda):
            given = tuple((a.arg, NONE) for a in e.args.args)  # what it is given is looked at where it comes from
            return self.foreign(e.body, Scope(scope.module, (e, *scope.functions), given))
        elif isinstance(e, Take):
            return self._taken(e, scope)
        elif isinstance(e, ast.Name):
            return self._name(e, scope)
        elif isinstance(e, ast.Attribute):
            return self._attribute(e, scope)
        elif isinstance(e, ast.Call):
            return self._call(e, scope)
        else:
            return self._leaf(e, scope)
        return self._all(parts, scope)

    def _taken(self, taken: Take, scope: Scope) -> Leaves:
        """The foreign parts of the keys, of the values or of one place of a collection; of all where nobody can say."""
        e, how = taken.e, taken.how
        if isinstance(e, ast.Dict) and how in ("key", "value"):
            pairs = list(zip(e.keys, e.values, strict=True))
            merged = [Take(value, how) for key, value in pairs if key is None]
            return self._all([*merged, *(key if how == "key" else value for key, value in pairs if key)], scope)
        if isinstance(e, ast.DictComp) and how in ("key", "value"):
            return self.foreign(e.key if how == "key" else e.value, scope)
        if isinstance(e, ast.BinOp):
            return self._all([Take(e.left, how), Take(e.right, how)], scope)
        if isinstance(e, ast.IfExp):
            return self._all([Take(e.body, how), Take(e.orelse, how)], scope)
        if isinstance(e, ast.ListComp | ast.GeneratorExp):
            return self.foreign(Take(e.elt, how) if not isinstance(how, str) else e.elt, scope)
        if isinstance(e, ast.Tuple | ast.List) and isinstance(how, int):
            if all(isinstance(one, ast.Tuple) for one in e.elts) and e.elts:
                return self._all([Take(one, how) for one in e.elts], scope)
            if isinstance(e, ast.Tuple) and how < len(e.elts):
                return self.foreign(e.elts[how], scope)
        if isinstance(e, Take) and e.how == "value" and (held := self._written(e.e, scope)) is not None:
            return self._all([Take(value, how) for value in held], scope)
        if isinstance(e, ast.Name):
            place = self._bindings(e.id, scope)
            if place is None and e.id in (where := self.modules[scope.module].globals):
                return self._all([Take(value, how) for value in where[e.id]], Scope(scope.module))
            if place is not None and place.parameter is None:
                key = (id(place.function), e.id, how, place.scope.given)
                return self._once(key, partial(self._all, [Take(v, how) for v in place.values], place.scope))
        if isinstance(e, ast.Call):
            module, _, short = self._origin(e.func, scope).rpartition(".")
            function = self.modules[module].functions.get(short) if module in self.modules else None
            if function is not None and not self.numbers(function.returns):
                return self._returned(module, function, self._given(e, function, scope), how)
        return self.foreign(e, scope)

    def _written(self, e: ast.expr, scope: Scope) -> list[ast.expr] | None:
        """Values of a dictionary that is written in the source; None for another."""
        if isinstance(e, ast.Name) and (place := self._bindings(e.id, scope)) is not None and len(place.values) == 1:
            e = place.values[0]
        return e.values if isinstance(e, ast.Dict) else [e.value] if isinstance(e, ast.DictComp) else None

    def _all(self, parts: Iterable[ast.expr | None], scope: Scope) -> Leaves:
        return NONE.union(*(self.foreign(part, scope) for part in parts))

    def _leaf(self, e: ast.expr, scope: Scope) -> Leaves:
        return frozenset({(self.file(scope.module), ast.unparse(e))})

    def _attribute(self, e: ast.Attribute, scope: Scope) -> Leaves:
        target = self.modules[scope.module].imports.get(e.value.id) if isinstance(e.value, ast.Name) else None
        if target in self.modules:
            return self._global(target, e.attr, self._leaf(e, scope))
        return NONE if e.attr in COMPUTED or self._counts(e.attr) else self._leaf(e, scope)

    def _counts(self, name: str) -> bool:
        """Whether every field, property or method of this name is made of numbers."""
        said = self.fields.get(name)
        return bool(said) and all(self.numbers(annotation) for annotation in said or ())

    def _call(self, e: ast.Call, scope: Scope) -> Leaves:
        name, origin = _called(e), self._origin(e.func, scope)
        bare = isinstance(e.func, ast.Name)
        if isinstance(e.func, ast.Lambda):
            passed = zip(e.func.args.args, e.args, strict=True)
            given = tuple((parameter.arg, self.foreign(value, scope)) for parameter, value in passed)
            return self.foreign(e.func.body, Scope(scope.module, (e.func, *scope.functions), given))
        if origin in ESCAPES[self.kind] or (bare and name in COUNTS):
            return NONE
        if self.kind == "file" and name == "sub" and ast.unparse(e.args[0]).startswith(PLAIN_LETTERS):
            return NONE
        arguments = [*e.args, *(k.value for k in e.keywords if k.arg not in ("key", "reverse"))]
        if bare and name == "map":
            if self._origin(e.args[0], scope) in ESCAPES[self.kind]:
                return NONE
            return self._all(e.args[1:] if isinstance(e.args[0], ast.Name) else e.args, scope)
        if bare and name in SAME:
            return self._all(arguments, scope)
        if name in CHOSEN and isinstance(e.func, ast.Attribute):
            return self._all(e.args[1:2], scope)
        if origin == "markupsafe.Markup":
            return self._all(e.args, scope) if self.kind == "html" else self._leaf(e, scope)
        module, _, short = origin.rpartition(".")
        function = self.modules[module].functions.get(short) if module in self.modules else None
        if function is not None:
            if self.numbers(function.returns):
                return NONE
            return self._returned(module, function, self._given(e, function, scope))
        if isinstance(e.func, ast.Attribute):
            if name in OWN or (name not in METHODS and self._counts(name)):
                return NONE
            held = e.func.value
            marked = isinstance(held, ast.Call) and self._origin(held.func, scope) == "markupsafe.Markup"
            if marked and self.kind == "html" and name in ("format", "join"):  # escapes what it is given
                return self.foreign(held, scope)
            if name in METHODS:
                return self._all([e.func.value, *arguments], scope)
        return self._leaf(e, scope)

    def _origin(self, f: ast.expr, scope: Scope) -> str:
        """Full name of a function, through modules that pass it on."""
        imports = self.modules[scope.module].imports
        if isinstance(f, ast.Name):
            full = imports.get(f.id, f"{scope.module}.{f.id}")
        elif isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name):
            full = f"{imports.get(f.value.id, f.value.id)}.{f.attr}"
        else:
            return ""
        for _ in range(4):
            module, _, name = full.rpartition(".")
            if module not in self.modules or name not in self.modules[module].imports:
                break
            full = self.modules[module].imports[name]
        return full

    def _given(self, e: ast.Call, node: ast.FunctionDef, scope: Scope) -> Given:
        names = [a.arg for a in [*node.args.posonlyargs, *node.args.args]]
        given = dict.fromkeys([*names, *(a.arg for a in node.args.kwonlyargs)], NONE)
        for name, value in zip(names, e.args, strict=False):
            given[name] = self.foreign(value, scope)
        for keyword in e.keywords:
            if keyword.arg in given:
                given[keyword.arg] = self.foreign(keyword.value, scope)
        return tuple(sorted(given.items()))

    def _once(self, key: Hashable, found: Callable[[], Leaves]) -> Leaves:
        """What was found before; nothing for what is being looked for, as in a function that calls itself.

        What was found while something around it was still unknown is not kept, but where that is the thing itself.
        """
        whole = (self.kind, key)
        if whole in self.known:
            return self.known[whole]
        if whole in self.looking:
            self.cut.add(whole)
            return NONE
        self.looking.add(whole)
        leaves = found()
        self.looking.discard(whole)
        self.cut.discard(whole)
        if not self.cut:
            self.known[whole] = leaves
        return leaves

    def _returned(
        self, module: str, node: ast.FunctionDef, given: Given | None, how: str | int | None = None
    ) -> Leaves:
        scope = Scope(module, (node, *self.scope_of(node, module).functions), given)
        values = [r.value for r in _own_nodes(node) if isinstance(r, ast.Return | ast.Yield | ast.YieldFrom)]
        parts = [value if how is None or value is None else Take(value, how) for value in values]
        return self._once((module, id(node), given, how), partial(self._all, parts, scope))

    def _bindings(self, name: str, scope: Scope) -> Binding | None:
        """Where a name of a function gets its value; None for names of the module."""
        for depth, function in enumerate(scope.functions):
            a = function.args
            parameter = next((p for p in [*a.posonlyargs, *a.args, *a.kwonlyargs] if p.arg == name), None)
            values = list(_bound(function, name))
            if values or parameter is not None:
                inner = Scope(scope.module, scope.functions[depth:], scope.given if depth == 0 else None)
                return Binding(values, parameter, function, inner)
        return None

    def _name(self, e: ast.Name, scope: Scope) -> Leaves:
        place = self._bindings(e.id, scope)
        if place is None:
            return self._global(scope.module, e.id, self._leaf(e, scope))
        return self._once((id(place.function), e.id, place.scope.given), partial(self._bound_to, place))

    def _bound_to(self, place: Binding) -> Leaves:
        found, parameter = self._all(place.values, place.scope), place.parameter
        if parameter is None or self.numbers(parameter.annotation):
            return found
        if place.scope.given is not None:
            return found | dict(place.scope.given).get(parameter.arg, NONE)
        return found | self._passed(place.function, parameter.arg, place.scope)

    def _passed(self, function: Function, name: str, scope: Scope) -> Leaves:
        """What the callers of a function pass."""
        unknown = frozenset({(self.file(scope.module), f"{name} of {getattr(function, 'name', 'lambda')}")})
        if isinstance(function, ast.Lambda):
            return unknown
        names = [a.arg for a in [*function.args.posonlyargs, *function.args.args]]
        found, called = NONE, False
        for call, module in self.calls.get(function.name, []):
            if self._origin(call.func, Scope(module)) != f"{scope.module}.{function.name}":
                continue
            called = True
            value = next((k.value for k in call.keywords if k.arg == name), None)
            if value is None and name in names and names.index(name) < len(call.args):
                value = call.args[names.index(name)]
            found |= self.foreign(value, self.scope_of(call, module))
        return found if called else unknown

    def _global(self, module: str, name: str, leaf: Leaves) -> Leaves:
        where = self.modules.get(module)
        if where is not None and name in where.globals:
            return self._once((module, name), partial(self._all, where.globals[name], Scope(module)))
        if where is not None and name in where.imports:
            source, _, original = where.imports[name].rpartition(".")
            return self._global(source, original, leaf)
        return leaf

    def numbers(self, annotation: ast.expr | None) -> bool:
        """Whether a value of this annotation is made of numbers and of words that a type lists."""
        if annotation is None:
            return False
        if isinstance(annotation, ast.Constant):
            if isinstance(annotation.value, str):
                return self.numbers(ast.parse(annotation.value, mode="eval").body)
            return annotation.value is None or annotation.value is Ellipsis
        if isinstance(annotation, ast.Subscript):
            outer = ast.unparse(annotation.value)
            if outer == "Literal":
                return True
            inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
            return outer in ("tuple", "list", "dict", "set", "Sequence", "Mapping", "frozenset", "Counter") and all(
                self.numbers(one) for one in inner
            )
        if isinstance(annotation, ast.BinOp):
            return self.numbers(annotation.left) and self.numbers(annotation.right)
        name = ast.unparse(annotation).rpartition(".")[2]
        return name in NUMBERS or name in self.literals


def drawn(call: ast.Call, module: Module) -> Iterator[tuple[str, ast.expr]]:
    """What a call draws: the kind of text, and the text."""
    f = call.func
    if not isinstance(f, ast.Attribute) or not _streamlit(f.value, module):
        return
    if f.attr == "write" and ast.unparse(f.value) != "st":  # a file's
        return
    named = {k.arg: k.value for k in call.keywords if k.arg}
    kind = "html" if isinstance(flag := named.get("unsafe_allow_html"), ast.Constant) and flag.value else "markdown"
    for places, what in ((MARKDOWN.get(f.attr, ()), kind), (HTML.get(f.attr, ()), "html")):
        yield from ((what, call.args[place]) for place in places if place < len(call.args))
    if f.attr in OPTIONS and len(call.args) > 1:
        written = named.get("format_func")
        yield "markdown", call.args[1] if written is None else ast.Call(written, [call.args[1]], [])
    if f.attr == "download_button" and len(call.args) > 2:
        yield "file", call.args[2]
    if f.attr in MARKDOWN or f.attr in HTML or f.attr.endswith("Column"):
        yield from ((NAMED[name], value) for name, value in named.items() if name in NAMED)
        if f.attr in ("info", "warning", "error", "success") and "title" in named:
            yield "markdown", named["title"]
        if f.attr.endswith("Column"):
            yield from (("markdown", value) for value in call.args[:1])


def _streamlit(e: ast.expr, module: Module) -> bool:
    """Whether something may be Streamlit or one of its places: no module of ours, no value of another library."""
    root = e
    while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
        root = root.func if isinstance(root, ast.Call) else root.value
    if not isinstance(root, ast.Name):
        return True
    origin = module.imports.get(root.id)
    return origin is None or origin.startswith("streamlit")


def _called(call: ast.Call) -> str:
    f = call.func
    return f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else ""


def _numeric(spec: ast.expr | None) -> bool:
    """Whether a format makes a number of what it gets."""
    if not isinstance(spec, ast.JoinedStr) or not spec.values:
        return False
    last = spec.values[-1]
    return isinstance(last, ast.Constant) and str(last.value)[-1:] in ",dfge%"


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name):
                    yield name.id, node.value
    elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value and isinstance(node.target, ast.Name):
        yield node.target.id, node.value


@cache
def _own_nodes(function: Function) -> list[ast.AST]:
    """Nodes of a function without those of functions inside it."""
    waiting: list[ast.AST] = list(function.body) if isinstance(function, ast.FunctionDef) else [function.body]
    found = []
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return found


def _bound(function: Function, name: str) -> Iterator[ast.expr]:
    """Everything that a name is bound to in a function, and what is put into it."""
    for node in _own_nodes(function):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                root = target.value if isinstance(target, ast.Subscript) else target
                yield from (part for part in _part(root, node.value, name))
        elif isinstance(node, ast.For | ast.comprehension):
            yield from _element(node.target, node.iter, name)
        elif isinstance(node, ast.NamedExpr) and node.target.id == name:
            yield node.value
        elif isinstance(node, ast.With):
            for item in node.items:
                if item.optional_vars is not None:
                    yield from _part(item.optional_vars, item.context_expr, name)
        elif isinstance(node, ast.ExceptHandler) and node.name == name:
            yield ast.Name("an error", ast.Load())
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            held = node.func.value
            if (
                isinstance(held, ast.Name)
                and held.id == name
                and node.func.attr in ("append", "extend", "insert", "add")
            ):
                yield from node.args


def _part(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    """The part of a value that a name of its target gets."""
    if isinstance(target, ast.Name):
        if target.id == name:
            yield value
    elif isinstance(target, ast.Starred):
        yield from _part(target.value, value, name)
    elif isinstance(target, ast.Tuple | ast.List):
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
            for one, its in zip(target.elts, value.elts, strict=True):
                yield from _part(one, its, name)
        elif isinstance(value, ast.IfExp):
            yield from _part(target, value.body, name)
            yield from _part(target, value.orelse, name)
        else:
            for place, one in enumerate(target.elts):
                yield from _part(one, Take(value, place), name)


def _element(target: ast.expr, values: ast.expr, name: str) -> Iterator[ast.expr]:
    """What a name of a loop gets of the values that are gone through."""
    if isinstance(values, ast.Call) and isinstance(target, ast.Tuple):
        called = _called(values)
        if called == "enumerate" and len(target.elts) == 2:
            counted = ast.Constant(0)
            yield from _part(target.elts[0], counted, name)
            yield from _element(target.elts[1], values.args[0], name)
            return
        if called == "zip" and len(target.elts) == len(values.args):
            for one, its in zip(target.elts, values.args, strict=True):
                yield from _element(one, its, name)
            return
        if called == "items" and isinstance(values.func, ast.Attribute) and len(target.elts) == 2:
            yield from _part(target.elts[0], Take(values.func.value, "key"), name)
            yield from _part(target.elts[1], Take(values.func.value, "value"), name)
            return
    if isinstance(values, ast.Call) and _called(values) == "values" and isinstance(values.func, ast.Attribute):
        yield from _part(target, Take(values.func.value, "value"), name)
        return
    if isinstance(values, ast.List | ast.Tuple | ast.Set):
        for value in values.elts:
            yield from _part(target, value, name)
        return
    yield from _part(target, values, name)
