from __future__ import annotations

import pytest

from doxa.errors import InputError
from doxa.lab.view.app import static_files
from doxa.lab.view.bundle import bundle


def test_every_script_of_the_viewer_goes_into_one():
    scripts = {name: body.decode() for name, body in static_files().items() if name.endswith(".js")}
    whole = bundle(scripts)
    for name in set(scripts) - {"exported.js"}:
        assert whole.count(f'modules["{name}"] = ') == 1
    assert "fetch(" not in whole
    assert whole.count("eval(") == whole.count("import(") == 0


def test_imports_and_exports_become_calls():
    whole = bundle(
        {
            "start.js": 'import * as a from "./a.js";\nimport { b as c, d } from "./p/b.js";\nc(a.one, d);\n',
            "a.js": "export const one = 1;\nexport async function two() {}\n",
            "p/b.js": 'import { one } from "../a.js";\nexport function b() {}\nexport class d {}\n',
            "p/c.js": 'export { b as show, d } from "./b.js";\n',
        }
    )
    assert 'const a = need("a.js");\nconst { b: c, d } = need("p/b.js");' in whole
    assert "const one = 1;\nasync function two() {}\n\nexports.one = one;\nexports.two = two;" in whole
    assert 'const { one } = need("a.js");\nfunction b() {}\nclass d {}' in whole
    assert 'exports.show = need("p/b.js").b; exports.d = need("p/b.js").d;' in whole


@pytest.mark.parametrize(
    "text",
    [
        "export default function () {}",
        "export let changes = 1;",
        'const a = import("./a.js");',
        'import "./a.js";',
        "export * from './a.js';",
        "import.meta.url;",
    ],
)
def test_what_is_not_understood_is_named(text):
    with pytest.raises(InputError, match=r"start\.js: .* cannot go into an export"):
        bundle({"start.js": text, "a.js": ""})


def test_an_import_of_nothing_is_named():
    with pytest.raises(InputError, match=r"start\.js: imports './no\.js', which is no script"):
        bundle({"start.js": 'import { a } from "./no.js";'})
