"""Texts with which a model could try to get out, or to use up the machine; each is to be read and never run."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from doxa.testing.fuzzed_replies import adversarial

MARK = "MARK"
"""In an attempt stands this for a file that must not be there afterwards."""

PROGRAMS = (
    # files
    "open('MARK', 'w').write('out')",
    "__import__('pathlib').Path('MARK').touch()",
    "print(open('/etc/passwd').read())",
    "with open('/proc/self/environ') as f: print(f.read())",
    "open('/proc/self/mem', 'r+b')",
    "__import__('os').remove('MARK')",
    "__import__('shutil').rmtree('.')",
    "__import__('os').symlink('/etc/passwd', 'MARK')",
    "__import__('os').link('/etc/hostname', 'MARK')",
    "__import__('os').mkfifo('MARK')",
    "__import__('tempfile').mkstemp()",
    "[f for f in __import__('os').walk('/')]",
    "__import__('os').chmod('/', 0o777)",
    # processes and signals
    "__import__('os').system('touch MARK')",
    "__import__('subprocess').run(['touch', 'MARK'])",
    "__import__('os').popen('touch MARK').read()",
    "__import__('pty').spawn('/bin/sh')",
    "while True: __import__('os').fork()",
    "__import__('os').execv('/bin/sh', ['sh', '-c', 'touch MARK'])",
    "__import__('os').posix_spawn('/bin/sh', ['sh'], {})",
    "__import__('os').kill(1, 9)",
    "__import__('os').kill(0, 15)",
    "__import__('signal').signal(2, lambda *a: None)",
    "__import__('os')._exit(0)",
    "raise SystemExit(0)",
    "exit()",
    "__import__('multiprocessing').Pool(100)",
    "__import__('threading').Thread(target=print).start()",
    ":(){ :|:& };:",
    "$(touch MARK)",
    "`touch MARK`",
    "; touch MARK #",
    "| tee MARK",
    "&& touch MARK",
    # sockets
    "__import__('socket').create_connection(('127.0.0.1', 80))",
    "__import__('urllib.request').request.urlopen('http://127.0.0.1/MARK')",
    "__import__('http.client').client.HTTPConnection('127.0.0.1').request('GET', '/')",
    "__import__('webbrowser').open('http://127.0.0.1')",
    # imports and the insides of Python
    "eval(\"open('MARK', 'w')\")",
    "exec(\"open('MARK', 'w')\")",
    "compile(\"open('MARK', 'w')\", 'x', 'exec')",
    "().__class__.__bases__[0].__subclasses__()",
    "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0]",
    "(lambda f: f.__globals__['__builtins__'])(print)",
    "getattr(__import__('o' + 's'), 'sys' + 'tem')('touch MARK')",
    "__builtins__.__dict__['__import__']('os').system('touch MARK')",
    "import os; os.system('touch MARK')",
    "from os import system as print; print('touch MARK')",
    "__loader__.load_module('os').system('touch MARK')",
    "__import__('importlib').import_module('os').system('touch MARK')",
    "__import__('sys').modules['os'].system('touch MARK')",
    "__import__('ctypes').CDLL(None).system(b'touch MARK')",
    "__import__('ctypes').string_at(0)",
    "__import__('sys').settrace(lambda *a: None)",
    "__import__('sys').setrecursionlimit(10**9)",
    "__import__('gc').get_objects()",
    "type('X', (), {'__del__': lambda s: open('MARK', 'w')})()",
    "print.__self__.open('MARK', 'w')",
    "(lambda: (yield))().gi_frame.f_back.f_globals",
    "async def f(): open('MARK', 'w')",
    "@__import__('os').system\ndef f(): pass",
    "class X(metaclass=__import__('os').system): pass",
    "f\"{__import__('os').system('touch MARK')}\"",
    "{**__import__('os').environ}",
    "(x := __import__('os')).system('touch MARK')",
    "print(__import__('doxa').__file__)",
    # templates, formats and tags
    "{0.__class__.__init__.__globals__}",
    "{topic.__class__.__mro__}",
    "{text!r:>999999999}",
    "%(text)999999999s",
    "${jndi:ldap://127.0.0.1/MARK}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% import os %}{{ os.system('touch MARK') }}",
    "!!python/object/apply:os.system ['touch MARK']",
    "!!python/object/new:type [z, [], {}]",
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
    "'; ATTACH DATABASE 'MARK' AS x; CREATE TABLE x.t (a); --",
    "COPY (SELECT 1) TO 'MARK'",
    "../../../../etc/passwd",
    "file:///etc/passwd",
    "\x1b]0;MARK\x07\x1b[2J",
    "<script>fetch('http://127.0.0.1/MARK')</script>",
    '{"__class__": "os.system", "args": ["touch MARK"]}',
    '{"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["touch MARK"]}]}',
    '{"$ref": "file:///etc/passwd"}',
    # what a pickle of os.system is
    base64.b64encode(b"cos\nsystem\n(S'touch MARK'\ntR.").decode(),
    "cos\nsystem\n(S'touch MARK'\ntR.",
    # endless
    "while True: pass",
    "def f(): f()\nf()",
    "[0] * 10**12",
    "'x' * 10**12",
    "9 ** 9 ** 9 ** 9",
    "10 ** 10 ** 10",
    "1 << 10**12",
    "sum(range(10**18))",
    "__import__('time').sleep(10**9)",
    "input()",
    "__import__('re').match('(a+)+$', 'a' * 64 + 'b')",
    "(a+)+$" + "a" * 64 + "b",
)


def bombs(size: int) -> Iterator[tuple[str, str]]:
    """Yield texts of so many characters that are dear to read for whoever reads them carelessly."""
    yield "digits", "9" * size
    yield "a fraction", "0." + "1" * size
    yield "an exponent", "1e" + "9" * size
    yield "minus", "-" * size
    yield "open braces", "{" * size
    yield "open brackets", "[" * size
    yield "nested objects", '{"a":' * (size // 5) + "1" + "}" * (size // 5)
    yield "nested lists", '{"a":' + "[" * (size // 2) + "]" * (size // 2) + "}"
    yield "quotes", '"' * size
    yield "backslashes", "\\" * size
    yield "a string that does not end", '{"a": "' + "x" * size
    yield "escapes", '{"a": "' + "\\u0041" * (size // 6) + '"}'
    yield "one key many times", "{" + ",".join(['"a": 1'] * (size // 7)) + "}"
    yield "many keys", "{" + ",".join(f'"{n}": 1' for n in range(size // 12)) + "}"
    yield "many objects", '{"a": 1} ' * (size // 9)
    yield "a long number in an object", '{"a": ' + "9" * size + "}"
    yield "lines", "\n" * size
    yield "spaces", " " * size
    yield "fences", "```\n" * (size // 4)
    yield "boxes", "\\boxed{" * (size // 7)
    yield "tags", "<answer>" * (size // 8)
    yield "thoughts", "<think>" * (size // 7)
    yield "answers", "The answer is (A). " * (size // 19)
    yield "refusals", "I cannot. " * (size // 10)
    yield "negations", "not " * (size // 4)
    yield "letters", "(A) (B) " * (size // 8)
    yield "combining marks", "a" + "\u0301" * (size // 2)
    yield "full-width digits", "\N{FULLWIDTH DIGIT NINE}" * (size // 2)
    yield "zero width", "\u200b" * (size // 2)
    yield "nulls", "\x00" * size
    yield "lone surrogates", "\ud800" * (size // 2)
    yield "other planes", "\U0001f600" * (size // 4)
    yield "words", "yes no maybe " * (size // 13)
    yield "ranking", "A > B > C > " * (size // 12)
    yield "percentages", "50-60% " * (size // 7)
    for what, text in adversarial(min(size, 131_072)).items():
        yield f"slow patterns: {what}", text


def dressed(program: str, mark: Path) -> Iterator[tuple[str, str]]:
    """Yield a program as models write them: bare, in a fence, behind a marker, inside an object."""
    text = program.replace(MARK, str(mark))
    yield "bare", text
    yield "fence", f"```python\n{text}\n```"
    yield "answer", f"So the answer is {text}"
    yield "tag", f"<answer>{text}</answer>"
    yield (
        "object",
        json.dumps({"belief": text, "tweet": text, "reasoning": text, "name": text, "args": {"a": text}}),
    )
    yield "field", f'{{"belief": {text}, "tweet": "a", "reasoning": "b"}}'


def harmless() -> list[str]:
    """Return texts that lead through the readers once, so that all they need is loaded before anything is watched."""
    rng = np.arange(3)
    objects = ['{"belief": 1, "tweet": "a", "reasoning": "b"}', '{"credence": 70}', "{", '{"a": NaN}']
    return [
        *objects,
        "The answer is (A).",
        "Yes.",
        "70%",
        "I cannot answer.",
        "A > B > C",
        f"{rng}",
        "",
        "\ud800",
    ]
