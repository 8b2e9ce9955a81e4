"""Seeded small templates that cover the language that chat templates are written in."""

import random

from template_cases import CONTEXT as CASES

CONTEXT = CASES | {
    "nested": [[1, 2], [3], [], ["a", ["b"]]],
    "mixed": [1, "1", 2.5, None, True, "é", [1], {"a": 1}],
    "lines": "one\n  two\n\nthree  \n",
    "tree": [{"n": 1, "c": [{"n": 2, "c": []}, {"n": 3, "c": [{"n": 4, "c": []}]}]}],
    "dup": ["b", "a", "B", "a", "c", "A"],
    "ages": [{"name": "Al", "age": 3}, {"name": "bo", "age": 1}, {"name": "Cy", "age": 3}, {"name": "al"}],
    "long": "The quick brown fox jumps over the lazy dog - isn't it? well-known antidisestablishmentarianism",
}

STRINGS = ["''", "' '", "'abc'", "'a,b,,c'", "'Hello World'", "\"it's\"", "'é😀x'", "'<a href=\"x\">&</a>'", "'x\\ny\\n'",
           "'12'", "'-3'", "'1.5'", "'%s-%s'", "'aXbXc'", "' pad '", "'ßΣİ'", "'tab\\there'", "'A'", "'a'", "'\\u00e9'"]  # fmt: skip
STRING_NAMES = ["s", "t", "u", "html", "lines", "long", "bos_token"]
LIST_NAMES = ["l", "empty", "words", "people", "nested", "mixed", "dup", "ages", "messages"]
NUMBERS = ["0", "1", "2", "3", "-1", "7", "10", "2.5", "-0.5", "1e3", "0.1", "1_000", "100", "1.0", "-2"]
NUMBER_NAMES = ["n", "x", "neg", "small", "big", "yes", "no"]
TESTS = ["defined", "undefined", "none", "boolean", "integer", "float", "number", "string", "mapping", "iterable",
         "sequence", "callable", "true", "false", "odd", "even", "upper", "lower", "divisibleby(3)", "divisibleby 2",
         "eq(1)", "equalto('a')", "ne 2", "lt 3", "le(2)", "gt 2", "ge(2)", "in l", "in 'abc'", "sameas none", "sameas(1)",
         "lessthan 2", "greaterthan(0)", "filter", "test", "== 1", "escaped", "!= 2"]  # fmt: skip
STRING_FILTERS = ["trim", "upper", "lower", "title", "capitalize", "string", "length", "list", "first", "last", "reverse",
                  "replace('a', 'Z')", "replace('l', '', 1)", "replace('', '-')", "indent", "indent(2)", "indent(2, true)",
                  "indent(width=3, first=true, blank=true)", "indent('> ')", "wordcount", "center(20)", "center(7)",
                  "truncate(9)", "truncate(10, true)", "truncate(12, false, '..')", "truncate(5, true, '', 0)", "truncate",
                  "wordwrap(10)", "wordwrap(5, false)", "wordwrap(8, true, '|')", "wordwrap(20, break_on_hyphens=false)",
                  "int", "float", "int(5)", "int(0, 16)", "tojson", "default('d')", "default('d', true)", "join('-')",
                  "trim('a ')", "trim(chars='x')", "urlencode", "format('a', 'b')", "count", "sort|join",
                  "unique|list", "batch(2)|list", "slice(3)|list", "min", "max",
                  "map('upper')|join", "select('in', 'aeiou')|list", "d", "list|length", "title|trim"]  # fmt: skip
LIST_FILTERS = ["length", "first", "last", "list", "join", "join(', ')", "join('-', attribute='name')", "reverse|list", "sort",
                "sort(true)", "sort(reverse=true, case_sensitive=true)", "sort(attribute='age')", "sort(attribute='age,name')",
                "sort(attribute='name', case_sensitive=true)", "unique|list", "unique(true)|list", "unique(attribute='age')|list",
                "unique(case_sensitive=true)|join", "sum", "sum(attribute='age')", "sum(start=10)", "sum('age', 5)", "min", "max",
                "min(attribute='age')", "max(attribute='name')", "max(true)", "map('upper')|list", "map('length')|list",
                "map(attribute='name')|list", "map(attribute='name', default='?')|list", "map('default', 'x')|list",
                "map(attribute='zz.y', default=0)|list", "map('replace', 'a', 'b')|list", "map('string')|join('|')",
                "map('tojson')|join", "map(attribute=0)|list", "select|list", "select('odd')|list", "select('string')|list",
                "select('gt', 1)|list", "reject|list", "reject('none')|list", "reject('in', [1, 'a'])|list",
                "selectattr('ok')|list", "selectattr('age', 'gt', 1)|list", "selectattr('name', 'equalto', 'Al')|list",
                "selectattr('zz', 'undefined')|list", "selectattr('role', '==', 'user')|map(attribute='content')|list",
                "rejectattr('ok')|list", "rejectattr('age', 'defined')|list", "groupby('age')|list", "groupby('ok')|map('last')|list",
                "groupby('age', default=0)|list", "groupby('name', case_sensitive=true)|map(attribute='grouper')|list",
                "groupby('name')|map(attribute='list')|list", "batch(2)|list", "batch(3, 'x')|list", "slice(2)|list",
                "slice(3, 'f')|list", "slice(4)|map('length')|list", "tojson", "tojson(indent=2)", "tojson(2)", "string",
                "tojson(separators=(',', ':'))", "tojson(indent=1, sort_keys=true)", "default([1])", "count",
                "items|list", "list|tojson", "map('first')|list", "map('last')|list", "map('int')|list",
                "map('float', 1.5)|list", "map('round')|list", "map('abs')|list", "map('trim')|list", "map('list')|list",
                "map('title')|join", "attr('x')"]  # fmt: skip
DICT_FILTERS = ["length", "list", "items|list", "dictsort", "dictsort(true)", "dictsort(false, 'value')", "dictsort(reverse=true)",
                "dictsort(by='value')", "dictsort(by='nope')", "tojson", "tojson(indent=4)", "tojson(sort_keys=true)", "string",
                "first", "last", "join(',')", "sort", "default(1)", "map('upper')|list", "urlencode", "count", "attr('b')",
                "max", "min", "unique|list", "items|map('first')|list", "items|sort|list", "batch(1)|list", "reverse|list"]  # fmt: skip
NUMBER_FILTERS = ["abs", "int", "float", "string", "round", "round(1)", "round(2, 'floor')", "round(method='ceil')", "round(-1)",
                  "tojson", "default(3)", "filesizeformat", "filesizeformat(true)", "round(0)|int", "upper", "length", "list",
                  "round(1, 'nope')", "center(5)", "trim", "int(2, 8)", "urlencode", "round(precision=1)"]  # fmt: skip
STRING_METHODS = ["strip()", "lstrip()", "rstrip()", "strip(' ac')", "lstrip('ab')", "rstrip('\\n')", "upper()", "lower()",
                  "title()", "capitalize()", "swapcase()", "split()", "split(',')", "split(' ', 1)",
                  "rsplit(None, 1)", "rsplit(',', 1)", "split(maxsplit=1)", "split('l', maxsplit=1)", "splitlines()",
                  "splitlines(true)", "startswith('a')", "startswith(('a', ' '))", "startswith('b', 1)", "endswith('c')",
                  "endswith('l', 0, 3)", "find('l')", "find('l', 4)", "rfind('l')", "find('a', 1, 2)", "index('a')", "rindex('b')",
                  "count('a')", "count('l', 3)", "count('')", "replace('a', 'b')", "replace('l', '', 1)", "partition(',')",
                  "rpartition(' ')", "isdigit()", "isdecimal()", "isnumeric()", "isalpha()", "isalnum()", "isspace()",
                  "isupper()", "islower()", "istitle()", "isascii()", "isidentifier()", "isprintable()", "removeprefix('a')",
                  "removesuffix('c')", "ljust(8)", "rjust(8, '*')", "center(9)", "center(8, '*')", "zfill(6)", "expandtabs(4)",
                  "expandtabs()", "join(['x', 'y'])", "join('ab')", "format(1, 'b')", "nope", "nope()",
                  "format(a=1)", "strip(none)", "__class__"]  # fmt: skip
LIST_METHODS = ["count(1)", "index('a')", "copy()", "append(1)", "pop()", "index(2, 1)", "nope", "reverse()", "insert(0, 1)"]
DICT_METHODS = ["keys()|list", "values()|list", "items()|list", "get('a')", "get('zz')", "get('zz', 1)", "copy()", "update({})",
                "a", "b", "zz", "items", "pop('a')", "a.k", "get('a', {}).get('k')", "a['items']", "setdefault('b')"]  # fmt: skip
FORMATS = ["'%s' % {}", "'%r' % {}", "'%d' % {}", "'%5d|' % {}", "'%-5s|' % {}", "'%05.1f' % {}", "'%.3f' % {}", "'%x' % {}",
           "'%X' % {}", "'%o' % {}", "'%e' % {}", "'%g' % {}", "'%+d' % {}", "'%c' % {}", "'%10.3s|' % {}", "'%(a)s' % {{'a': {}}}",
           "'%(a)5d%%' % {{'a': {}}}", "'%s %s' % ({}, 1)", "'%#x' % {}", "'% d' % {}", "'%*d' % (5, {})", "'%i' % {}",
           "'{{}}'.format({})", "'{{:>6}}|'.format({})", "'{{:.2f}}'.format({})", "'{{:05d}}'.format({})", "'{{:,}}'.format({})",
           "'{{0!r:>8}}'.format({})", "'{{a[0]}}'.format(a={})", "'{{:^9}}|'.format({})", "'{{:x}}'.format({})", "'{{!s}}'.format({})",
           "'{{:*<8}}'.format({})", "'{{:+.1e}}'.format({})", "'{{:%}}'.format({})", "'{{:b}}'.format({})", "'{{:g}}'.format({})",
           "'{{0}}{{0}}'.format({})", "'{{{{}}}}{{}}'.format({})", "'{{:{{w}}}}'.format({}, w=6)"]  # fmt: skip


class Templates:
    """Makes templates; kinds of values are mostly where they belong."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.names: list[str] = []

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def one(self, *choices):
        return self.random.choice(choices)

    def any(self, depth: int) -> str:
        kinds = (self.string, self.number, self.list, self.dict, self.truth)
        kind = self.random.choice(kinds + (self.string, self.list))
        if self.names and self.chance(0.15):
            return self.random.choice(self.names)
        if self.chance(0.03):
            return self.one("nothing", "none", "d.zz", "l[9]", "none.x", "(1 if no)", "loop", "loop.index")
        return kind(depth)

    def wrong(self, depth: int) -> str:
        return self.any(max(depth - 1, 0))

    def string(self, depth: int) -> str:
        if depth <= 0:
            return self.random.choice(STRINGS + STRING_NAMES)
        if self.chance(0.03):
            return self.wrong(depth)
        kind = self.random.randrange(9)
        inner = self.string(depth - 1)
        if kind == 0:
            return f"{inner} {self.one('~', '~', '+')} {self.any(depth - 1)}"
        if kind == 1:
            return f"({inner})|{self.random.choice(STRING_FILTERS)}"
        if kind == 2:
            return f"({inner}).{self.random.choice(STRING_METHODS)}"
        if kind == 3:
            return f"({inner}){self.subscript()}"
        if kind == 4:
            return f"({inner} if {self.truth(depth - 1)}{self.one('', ' else ' + self.any(depth - 1))})"
        if kind == 5:
            return "(" + self.random.choice(FORMATS).format(self.any(depth - 1)) + ")"
        if kind == 6:
            return f"({inner} * {self.number(0)})"
        if kind == 7:
            return f"({self.list(depth - 1)})|join({self.random.choice(STRINGS)})"
        return f"({self.any(depth - 1)})|{self.one('string', 'tojson', 'tojson(indent=2)', 'tojson(ensure_ascii=true)')}"

    def subscript(self) -> str:
        number = lambda: self.one("", "0", "1", "2", "-1", "-2", "5", "n", "none", "-9")  # noqa: E731
        if self.chance(0.3):
            return f"[{self.one('0', '1', '-1', '9', 'n', '-9', '1.5', chr(39) + 'a' + chr(39), 'none', 'true')}]"
        step = self.one("", "", ":1", ":2", ":-1", ":-2", ":0", ":")
        return f"[{number()}:{number()}{step}]"

    def number(self, depth: int) -> str:
        if depth <= 0:
            return self.random.choice(NUMBERS + NUMBER_NAMES)
        if self.chance(0.03):
            return self.wrong(depth)
        kind = self.random.randrange(6)
        inner = self.number(depth - 1)
        if kind == 0:
            if self.chance(0.1):
                return f"({self.one('2', '3', 'n', '1.5', '10')} ** {self.one('0', '2', '3', '-1', '0.5', 'n')})"
            operator = self.one("+", "-", "*", "/", "//", "%")
            return f"({inner} {operator} {self.number(depth - 1)})"
        if kind == 1:
            return f"({inner})|{self.random.choice(NUMBER_FILTERS)}"
        if kind == 2:
            return f"{self.one('-', '+', '- -')}{inner}"
        if kind == 3:
            return f"({self.any(depth - 1)})|length"
        if kind == 4:
            return f"({self.string(depth - 1)})|{self.one('int', 'float', 'wordcount', 'length')}"
        return f"{inner} + {self.number(depth - 1)} * {self.number(0)} {self.one('-', '~', '%')} {self.number(0)}"

    def list(self, depth: int) -> str:
        if depth <= 0:
            return self.random.choice(LIST_NAMES)
        if self.chance(0.03):
            return self.wrong(depth)
        kind = self.random.randrange(8)
        inner = self.list(depth - 1)
        if kind == 0:
            items = [self.any(depth - 1) for _ in range(self.random.randrange(4))]
            return self.one("[%s]", "(%s,)" if items else "()", "[%s]").replace("%s", ", ".join(items))
        if kind in (1, 2):
            return f"({inner})|{self.random.choice(LIST_FILTERS)}"
        if kind == 3:
            return f"({inner}){self.subscript()}"
        if kind == 4:
            return f"({inner}).{self.random.choice(LIST_METHODS)}"
        if kind == 5:
            return f"({inner} {self.one('+', '*')} {self.one(self.list(depth - 1), self.number(0))})"
        if kind == 6:
            return f"range({', '.join(self.one('0', '1', '3', '5', '-1', '10', '-4') for _ in range(self.one(1, 2, 3)))})|list"
        return f"({self.dict(depth - 1)})|{self.one('list', 'items|list', 'dictsort')}"

    def dict(self, depth: int) -> str:
        if depth <= 0:
            return self.one("d", "people[0]", "messages[1]", "messages[-1]", "{}", "ages[3]")
        if self.chance(0.03):
            return self.wrong(depth)
        kind = self.random.randrange(5)
        if kind == 0:
            keys = [self.one("'a'", "'b'", "'<é>'", "1", "none", "true", "2.5", "'A'") for _ in range(self.random.randrange(4))]
            return "{" + ", ".join(f"{k}: {self.any(depth - 1)}" for k in keys) + "}"
        if kind == 1:
            return f"({self.dict(depth - 1)})|{self.random.choice(DICT_FILTERS)}"
        if kind == 2:
            return f"({self.dict(depth - 1)}).{self.random.choice(DICT_METHODS)}"
        if kind == 3:
            return f"dict(a={self.any(depth - 1)}, b={self.any(0)})"
        return f"({self.dict(depth - 1)})[{self.one(repr('a'), repr('zz'), '0', 'none', repr('role'))}]"

    def truth(self, depth: int) -> str:
        if depth <= 0:
            return self.one("true", "false", "True", "none", "yes", "no", "empty", "n", "nothing")
        kind = self.random.randrange(6)
        if kind == 0:
            return f"({self.any(depth - 1)}) is {self.one('', 'not ')}{self.random.choice(TESTS)}"
        if kind == 1:
            chain = self.one("", "", f" {self.one('<', '==', '>=')} {self.number(depth - 1)}")
            pair = self.one(self.number, self.string, self.any)
            return f"({pair(depth - 1)} {self.one('<', '<=', '>', '>=', '==', '!=')} {pair(depth - 1)}{chain})"
        if kind == 2:
            return f"(({self.any(depth - 1)}) {self.one('in', 'not in')} {self.one(self.string, self.list, self.dict)(depth - 1)})"
        if kind == 3:
            return f"({self.any(depth - 1)} {self.one('and', 'or')} {self.any(depth - 1)})"
        if kind == 4:
            return f"not {self.any(depth - 1)}"
        return f"{self.truth(depth - 1)} {self.one('and', 'or')} not {self.truth(depth - 1)}"

    def filler(self) -> str:
        return self.one("", "", " ", "\n", "  \n", "\n\n  ", "text", " a ", "\t", "x\n", "{ }", "%", "#", "\r\n", "é")

    def tag(self, inside: str) -> str:
        begin, end = self.one("{%", "{%", "{%-", "{%-", "{%+"), self.one("%}", "%}", "-%}", "-%}", "+%}")
        return f"{begin}{self.one(' ', '')}{inside} {end}"

    def body(self, depth: int, in_loop: bool = False) -> str:
        count = self.random.randrange(1, 4)
        return "".join(self.filler() + self.statement(depth, in_loop) for _ in range(count)) + self.filler()

    def output(self, depth: int) -> str:
        return f"{self.one('{{', '{{', '{{-')} {self.any(depth)} {self.one('}}', '}}', '-}}')}"

    def statement(self, depth: int, in_loop: bool) -> str:
        if depth <= 0 or self.chance(0.3):
            return self.output(self.random.randrange(3))
        maker = self.random.choice(
            (self.condition, self.loop, self.loop, self.assignment, self.macro, self.capture, self.space, self.oddity, self.scope)
        )
        made = maker(depth)
        if in_loop and self.chance(0.2):
            made += f"{self.tag('if ' + self.truth(1))}{self.tag(self.one('break', 'continue'))}{self.tag('endif')}"
        return made

    def condition(self, depth: int) -> str:
        made = self.tag("if " + self.truth(2)) + self.body(depth - 1)
        if self.chance(0.4):
            made += self.tag("elif " + self.truth(1)) + self.body(depth - 1)
        if self.chance(0.5):
            made += self.tag("else") + self.body(depth - 1)
        return made + self.tag("endif")

    def loop(self, depth: int) -> str:
        variables = ["loop.index", "loop.index0", "loop.revindex", "loop.revindex0", "loop.first", "loop.last", "loop.length",
                     "loop.depth", "loop.depth0", "loop.previtem", "loop.nextitem", "loop.cycle('a', 'b')", "loop.changed(i)",
                     "loop.previtem is defined", "loop.nextitem|default('end')", "i", "i", "loop.cycle()", "loop.nope"]  # fmt: skip
        if self.chance(0.1):
            return (self.tag("for i in tree recursive") + f"{{{{ i.n }}}}@{{{{ {self.random.choice(variables)} }}}}("
                    + self.tag("if i.c") + "{{ loop(i.c) }}" + self.tag("endif") + ")" + self.tag("endfor"))  # fmt: skip
        target, iterable = self.one(
            ("i", self.list(1)), ("i", self.list(1)), ("i", self.any(1)), ("i, j", "d.items()"), ("i, (j, k)", "[(1, (2, 3))]"),
            ("i", "range(4)"), ("i", "'héy'"), ("i, j", "people|groupby('ok')"), ("i, j", "d|dictsort"), ("i", "dup"),
            ("i", "1, 2"))  # fmt: skip
        test = f" if {self.truth(1)}" if self.chance(0.2) else " if i" if self.chance(0.1) else ""
        self.names.append("i")
        inside = "".join(f"{{{{ {self.random.choice(variables)} }}}}," for _ in range(self.random.randrange(3)))
        inside += self.body(depth - 1, in_loop=True)
        self.names.pop()
        if self.chance(0.3):
            inside += self.tag("else") + self.body(0)
        return self.tag(f"for {target} in {iterable}{test}") + inside + self.tag("endfor")

    def assignment(self, depth: int) -> str:
        kind = self.random.randrange(6)
        if kind == 0:
            return self.tag(f"set a, b = {self.any(1)}, {self.any(1)}") + "{{ a }}{{ b }}"
        if kind == 1:
            ns = self.one("namespace(v=1)", "namespace()", "namespace(d)", "namespace({'v': 2}, w=3)")
            return (self.tag(f"set ns = {ns}") + self.tag("for i in l") + self.tag(f"set ns.v = {self.one('i', 'ns.v', 'loop')}")
                    + self.tag("endfor") + "{{ ns.v }}{{ ns.w is defined }}")  # fmt: skip
        if kind == 2:
            return self.tag(f"set a, b = {self.one('(1, 2)', 'l', '[1]', 'nested[0]', 'd.items()|first')}") + "{{ a }}{{ b }}"
        if kind == 3:
            return self.tag(f"set {self.one('z', 'q', 'loop', 'd2')} = {self.any(2)}") + "{{ n }}{{ q }}"
        name = self.one("a", "b", "q")
        return self.tag(f"set {name} = {self.any(2)}") + f"{{{{ {name} }}}}" + self.body(depth - 1)

    def macro(self, depth: int) -> str:
        parameters = self.one("", "a", "a, b", "a, b=2", "a=l, b=a", "a='x', b=n, c=none", "a, b=a")
        inside = self.one("{{ a }}|{{ b }}|{{ c }}", "{{ varargs }}{{ kwargs }}{{ a }}", "{{ caller is defined }}{{ a }}",
                          "[{{ caller() }}]", "{{ caller(1, b=2) }}{{ a }}", "{{ a }}{{ q }}", "{{ f.name }}{{ f.arguments }}",
                          "{% if a %}{{ a }}{% else %}none{% endif %}", "{% set q = 1 %}{{ loop }}", "{{ kwargs|tojson }}{{ caller }}",
                          "{% if a is number and a > 0 %}{{ a }}{{ f(a - 1) }}{% endif %}") + self.body(0)  # fmt: skip
        made = self.tag(f"macro f({parameters})") + inside + self.tag("endmacro")
        arguments = self.one("", "1", "1, 2", "b=3", "1, b=3", "1, 2, 3", "z=1", "*l", "**{'a': 5}", "*[1], **{'b': 2}", "a=1, a=2",
                             "n, l, d", "1, 2, 3, 4, x=5", "a=none", "nothing", "3")  # fmt: skip
        if self.chance(0.35):
            caller = self.one("", "(x)", "(x, b=1)", "()")
            return made + self.tag(f"call{caller} f({arguments})") + "{{ x }}{{ b }}" + self.body(0) + self.tag("endcall")
        uses = self.one("{{ f(%s) }}", "{{ f(%s)|upper|trim }}", "{{ f(%s) ~ 'x' }}", "{% set m = f(%s) %}{{ m|length }}", "{{ [f(%s)] }}")
        return made + uses.replace("%s", arguments)

    def capture(self, depth: int) -> str:
        filters = self.one("", "", " | upper", " | trim | length", " | replace('a', 'b')", " | indent(2)", " | tojson")
        if self.chance(0.5):
            return self.tag("set w" + filters) + self.body(depth - 1) + self.tag("endset") + "[{{ w }}]"
        name = self.one("upper", "trim", "replace('e', 'E')", "indent", "title | trim", "e", "wordwrap(9)")
        return self.tag("filter " + name) + self.body(depth - 1) + self.tag("endfilter")

    def space(self, depth: int) -> str:
        return self.one("{#- c -#}", "{# c #}\n", "  {# {{ x }} #}  ", "{#+ c +#}", "{% raw %} {{ x }} {% y %} {% endraw %}",
                        "{%- raw -%}\n {{ \n{%- endraw -%}", "{%+ raw +%}\n a {%+ endraw +%}\n", "\n\n", "   ", "\n  {%- set z = 1 %}  \n",
                        "{{ '{{' }}", "{{ '%}' }}", "{{- '' -}}", "{%- if yes -%}\n y \n{%- endif -%}\n", "{# a\n b #}\n x",
                        "{% generation %}g {{ n }}\n{% endgeneration %}\n", "#}", "}}", "%}", "{{ \n n \n }}", "{%\nset z = [\n1,\n2]\n%}{{ z }}",
                        "{% raw %}{% endraw %}", "{%- # -%}", "## x\n")  # fmt: skip

    def oddity(self, depth: int) -> str:
        return self.one("{{ nothing.x }}", "{{ raise_exception('no') }}", "{% include 'x' %}", "{{ 1 if }}", "{{ l | }}", "{% endif %}",
                        "{{ n() }}", "{{ 'a' 'b' }}", "{{ cycler(1, 2).next() }}", "{{ joiner()() }}",
                        "{{ strftime_now('%Y-%m-%d %H:%M:%S %j %A %b %p %I %%') }}", "{{ {}.a.b }}",
                        "{{ (d).items() | list | first | last }}", "{{ not }}", "{{ x is }}", "{{ l.0 }}{{ l.5 }}", "{{ d['a']['k'][0] }}",
                        "{{ 'a' if yes else }}", "{{ l is not in nested }}", "{{ -n|abs }}", "{{ -2 ** 2 }}",
                        "{{ 2 ** 3 ** 2 }}", "{{ 'x'|upper ~ 'y'|upper }}", "{{ not n == 7 }}", "{{ 1 == 1 == true }}", "{{ n in l or n }}",
                        "{{ 'a' in 'abc' == true }}", "{{ 08 }}", "{{ 0x1f }}", "{{ 0b11 + 0o17 }}", "{{ 1e400 }}", "{{ html|e }}{{ lines|forceescape }}{{ s|safe }}",
                        "{{ 1.e5 }}", "{{ .5 }}", "{{ '\\x' }}", "{{ '\\101\\0' }}",
                        "{{ l|sort|first + 1 }}", "{{ none|default }}", "{{ (nothing or 'x')|upper }}", "{{ true + true }}", "{{ dict(l) }}",
                        "{{ dict([('a', 1)], b=2) }}", "{{ namespace }}", "{{ caller() }}", "{{ varargs }}", "{{ loop.index }}", "{{ '' is none }}",
                        "{% if (n, x) %}y{% endif %}", "{% for a in (1, 2) %}{{ a }}{% endfor %}", "{{ range(3)[1] }}{{ range(3)|length }}",
                        "{{ 'a\\\\nb' }}", "{{ 'é'|length }}", "{{ '%c' % 'x' }}", "{{ [nothing] }}", "{{ {'a': nothing} }}", "{{ s.split }}",
                        "{% do l.append(1) %}", "{% break %}", "{{ l[0, 1] }}", "{{ d[l] }}", "{{ {l: 1} }}", "{{ (n,)|first }}",
                        "{% set loop = 1 %}{{ loop }}", "{{ 'x' * -1 }}|", "{{ [[]] * 2 }}", "{{ 10 % 3.5 }}", "{{ 1 / 0 }}", "{{ 7 // 0.0 }}",
                        "{{ -7 // 2 }}{{ -7 % 3 }}{{ 7 % -3 }}{{ -7.5 // 2 }}", "{{ 1 < 'a' }}", "{{ none < 1 }}", "{{ [1] < [2] }}",
                        "{{ (1, 2) < (1, 3) }}", "{{ 'a'|first|first }}", "{{ 3 is sameas 3.0 }}", "{{ true is sameas 1 }}", "{{ 1.0 in l }}")  # fmt: skip

    def scope(self, depth: int) -> str:
        if self.chance(0.6):
            variables = self.one("a=1", "a=n, b=a", "", "a=l, n=2")
            return self.tag("with " + variables) + "{{ a }}{{ b }}{{ n }}" + self.body(depth - 1) + self.tag("endwith")
        return self.one("{% set q = 1 %}{% for i in l %}{{ q }}{% set q = i %}{{ q }}{% endfor %}{{ q }}",
                        "{% if yes %}{% set q = 2 %}{% endif %}{{ q }}", "{% for i in l %}{% set n = i %}{% endfor %}{{ n }}",
                        "{% macro g() %}{% set n = 1 %}{{ n }}{% endmacro %}{{ g() }}{{ n }}", "{% set z %}x{% endset %}{{ z }}",
                        "{% for i in l %}{% for i in words %}{{ i }}{% endfor %}{{ i }}{% endfor %}{{ i }}",
                        "{% for i in l %}{% if loop.first %}{% set q = i %}{% endif %}{{ q }}{% endfor %}{{ q }}",
                        "{% for i in i %}{{ i }}{% endfor %}", "{% for l in l %}{{ l }}{% endfor %}{{ l }}",
                        "{% macro g(n) %}{{ n }}{% for n in l %}{{ n }}{% endfor %}{{ n }}{% endmacro %}{{ g(5) }}",
                        "{% set g = n %}{% macro h() %}{{ g }}{% endmacro %}{% set g = 8 %}{{ h() }}",
                        "{% for i in l %}{% macro h() %}{{ i }}{% endmacro %}{{ h() }}{% endfor %}",
                        "{% with n = 1 %}{% set q = 2 %}{{ n }}{% endwith %}{{ n }}{{ q }}",
                        "{% for i in l %}{% with %}{% set i = 5 %}{{ i }}{% endwith %}{{ i }}{% endfor %}",
                        "{% call(n) f() %}{% endcall %}", "{% filter upper %}{% set q = 'z' %}{{ q }}{% endfilter %}{{ q }}",
                        "{% generation %}{% set q = 4 %}{% endgeneration %}{{ q }}")  # fmt: skip

    def make(self) -> str:
        self.names = []
        if self.chance(0.4):
            return self.output(self.random.choice((1, 1, 2, 2, 3)))
        return self.body(self.random.randrange(1, 4))
