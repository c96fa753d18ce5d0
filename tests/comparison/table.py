"""The table of shapes: which function compiles below which attribute, or gets the message that it should.

    python3 tests/comparison/table.py

Each shape of shapes.txt is compiled plain and below each attribute. `=> words` means that the compiler must say these words.
"""

import os
import pathlib
import subprocess

from attribute import WORK, externs

ATTRIBUTES = {
    "plain": "",
    "otas": "#[::otas::otas_session]",
    "tracing": "#[::tracing::instrument(skip_all)]",
    "fastrace": "#[::fastrace::trace]",
}


def shapes():
    text = (pathlib.Path(__file__).parent / "shapes.txt").read_text()
    for part in text.split("=== ")[1:]:
        title, _, code = part.partition("\n")
        code, _, words = code.partition("\n=> ")
        yield title, code, words.strip()


def outcome(code, words, attribute, crates):
    source = WORK / "shape.rs"
    source.write_text("#![allow(unused, non_upper_case_globals)]\n" + code.replace("ATTR", attribute) + "\n")
    command = ["rustc", "--edition=2024", "--crate-type=lib", "--emit=metadata", "-o", str(WORK / "out"), *crates, str(source)]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"RUSTC_BOOTSTRAP": "1"})
    if not words:
        return "yes" if run.returncode == 0 else "**no**"
    if run.returncode == 0:
        return "**no message**"
    said = all(word.strip() in run.stderr for word in words.split("|"))
    return "yes" if said else "other words"


def main():
    crates = externs("debug")
    print("| shape | " + " | ".join(ATTRIBUTES) + " |")
    print("|---" * (len(ATTRIBUTES) + 1) + "|")
    for title, code, words in shapes():
        row = [outcome(code, words, attribute, crates) for attribute in ATTRIBUTES.values()]
        if words:  # a mistake: the plain function has no message of the attribute's
            row[0] = ""
        print(f"| {title} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
