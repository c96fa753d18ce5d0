"""Prints the tables of README.md: which function compiles below which attribute, or gets the expected diagnostics.

    python3 tests/research/comparison/table.py [WORD]...

Compiles each shape of shapes.txt plain and below each attribute. The head of shapes.txt describes its format. Words select the shapes
whose title contains all of them.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

from attribute import WORK, externs

NAMES = ("plain", "otas", "tracing", "fastrace")
ATTRIBUTES = ("", "#[::otas::otas_session]", "#[::tracing::instrument(skip_all)]", "#[::fastrace::trace]")
WITH_ARGUMENTS = ("", "#[::otas::otas_session({})]", "#[::tracing::instrument({})]", "#[::fastrace::trace({})]")
SOURCE = WORK / "shape.rs"


def shapes():
    """Yields the section, title, compiler flags, code and expectations of each shape."""
    section = ""
    for line in (pathlib.Path(__file__).parent / "shapes.txt").read_text().splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("=== "):
            title, _, flags = line[4:].partition(" | ")
            code, expected = [], []
            yield section, title, flags.split(), code, expected
        elif line.startswith("=> "):
            expected.append(line[3:])
        elif section:
            code.append(line)


def annotate(code, index):
    """Returns the code with the attribute on its own line, so that all positions stay the same; None if the attribute has no such argument."""
    def replacement(match):
        if not match[1]:
            return f"\n{ATTRIBUTES[index]}\n"
        arguments = match[1].split(" / ")[index - 1]
        return "\n\n" if index == 0 else "\n\0\n" if arguments == "-" else f"\n{WITH_ARGUMENTS[index].format(arguments)}\n"

    text = re.sub(r"ATTR(?:<< (.*?) >>)? ?", replacement, "\n".join(code))
    return None if "\0" in text else f"#![allow(unused, non_upper_case_globals)]\n{text}\n"


def compiler(text, flags, crates, emit):
    """Runs the compiler, and returns its diagnostics: level, code, position, text, and the source at the position."""
    SOURCE.write_text(text)
    tool = "clippy-driver" if "clippy" in flags else "rustc"
    edition = [] if any("--edition" in flag for flag in flags) else ["--edition=2024"]
    flags = [flag for flag in flags if flag != "clippy"]
    command = [tool, *edition, *flags, *emit, "--error-format=json", "-o", str(WORK / "out"), *crates, str(SOURCE)]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"RUSTC_BOOTSTRAP": "1"})
    diagnostics = []
    for message in map(json.loads, filter(lambda line: line.startswith("{"), run.stderr.splitlines())):
        for span in [span for span in message.get("spans", []) if span["is_primary"]][:1]:
            code = (message["code"] or {}).get("code", "") or message["message"]
            texts = [message["message"], code, *(span["label"] or "" for span in message["spans"])]
            line = span["text"][0] if span["text"] else {"text": "", "highlight_start": 1, "highlight_end": 1}
            token = line["text"][line["highlight_start"] - 1 : line["highlight_end"] - 1]
            position = [span[part] for part in ("line_start", "column_start", "line_end", "column_end")]
            diagnostics.append((message["level"], code, position, " ".join(texts), token))
    return run, diagnostics


def compiles(text, flags, crates):
    run, _ = compiler(text, flags, crates, ["--crate-type=lib", "--emit=metadata"])
    return run.returncode == 0


def prints(text, flags, crates):
    run, _ = compiler(text, flags, crates, ["--crate-type=bin", "--emit=link"])
    return run.returncode == 0 and subprocess.check_output([WORK / "out"], text=True, env=os.environ | {"OTAS_DISABLED": "1"})


def regions(text, flags, crates):
    run, _ = compiler(text, [*flags, "-Cinstrument-coverage"], crates, ["--crate-type=lib", "--emit=mir"])
    lines = (WORK / "out").read_text().splitlines() if run.returncode == 0 else []
    return {line.partition("=> ")[2] for line in lines if line.strip().startswith("coverage ")}


def reports(text, flags, crates, expected):
    """Compares the errors with the expected ones, each at its token, and returns the cell."""
    run, diagnostics = compiler(text, flags, crates, ["--crate-type=lib", "--emit=metadata"])
    errors = [diagnostic for diagnostic in diagnostics if diagnostic[0] == "error"]
    if run.returncode == 0:
        return "a warning" if diagnostics else "**no diagnostic**"
    if expected != ["one error"]:
        for line in expected:
            texts, _, tokens = line.partition(" @ ")
            matching = [error for error in errors if all(any(text in error[3] for text in part.split(" / ")) for part in texts.split(" | "))]
            if not matching:
                return "other text"
            if tokens and not any(error[4] in tokens.split(" / ") for error in matching):
                return "other position"
    return "yes" if len(errors) == len(expected) else f"{len(errors)} errors"


def diagnostics(text, flags, crates):
    _, found = compiler(text, flags, crates, ["--crate-type=lib", "--emit=metadata"])
    return [diagnostic[:3] for diagnostic in found]


def first_difference(result, plain):
    """Returns the first that differs: whether there are diagnostics, their codes, their number, their positions."""
    if result == plain:
        return "yes"
    if not result:
        return "**no diagnostic**"
    if not {diagnostic[1] for diagnostic in plain} <= {diagnostic[1] for diagnostic in result}:
        return "other code"
    return f"{len(result)} diagnostics" if len(result) != len(plain) else "other position"


AS_PLAIN = {
    "as plain": (diagnostics, first_difference),
    "prints as plain": (prints, lambda result, plain: "yes" if result == plain else "**no**"),
    "regions as plain": (regions, lambda result, plain: f"{len(result & plain)} of {len(plain)}"),
}


def row(flags, code, expected, crates):
    texts = [annotate(code, index) for index in range(len(NAMES))]
    if not expected:
        return [text and ("yes" if compiles(text, flags, crates) else "**no**") for text in texts]
    if expected[0] in AS_PLAIN:
        run, compare = AS_PLAIN[expected[0]]
        results = [run(text, flags, crates) for text in texts]
        if not results[0]:
            sys.exit(f"the plain function gives nothing to compare with: {code}")
        return [compare(result, results[0]) for result in results]
    cells = [text and reports(text, flags, crates, expected) for text in texts]
    return ["yes" if cells[0] == "yes" else "", *cells[1:]]


def main():
    crates = externs("debug")
    printed = None
    for section, title, flags, code, expected in list(shapes()):
        if not all(word in title for word in sys.argv[1:]):
            continue
        if section != printed:
            print(f"\n**{section}**\n\n| shape | {' | '.join(NAMES)} |\n" + "|---" * 5 + "|")
            printed = section
        cells = row(flags, code, expected, crates)
        print(f"| {title} | " + " | ".join(cell or "" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
