"""List what can be measured: `make bench NAME=...` runs one of it, with ARGS="..." for its options."""

import ast
from pathlib import Path

HERE = Path(__file__).resolve().parent

for path in sorted(HERE.glob("*/*.py")):
    text = path.read_text()
    if 'if __name__ == "__main__":' in text and path.stem != "crowd":  # the crowd is started by load
        docstring = ast.get_docstring(ast.parse(text)) or ""
        print(f"{f'{path.parent.name}.{path.stem}':<28} {docstring.splitlines()[0]}")
